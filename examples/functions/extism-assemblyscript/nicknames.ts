/*
 * nicknames: an Extism plugin in AssemblyScript, with Extism's own plugin
 * development kit.
 */
import { Config, Host, Var } from "@extism/as-pdk";

/** What a failed check of AssemblyScript's runtime comes to: a trap. */
export function ended(_message: usize, _file: usize, _line: u32, _column: u32): void {
  unreachable();
}

const SUCCESS: i32 = 0;

/** The first letters of the words, in capitals: "heating, ventilation" is "HV". */
export function acronym(): i32 {
  const words = Host.inputString().split(" ");
  let answer = "";
  for (let i = 0; i < words.length; i++) {
    if (words[i].length > 0) answer += words[i].charAt(0).toUpperCase();
  }
  Host.outputString(answer);
  return SUCCESS;
}

/** Remembers the input as the newest name, and answers all names so far. */
export function nicknames(): i32 {
  const separator = Config.get("separator");
  const before = Var.get("names");
  let names = Host.inputString();
  if (before != null) {
    names = String.UTF8.decode(before.buffer) + (separator == null ? ", " : separator) + names;
  }
  Var.set("names", Uint8Array.wrap(String.UTF8.encode(names)));
  Host.outputString(names);
  return SUCCESS;
}
