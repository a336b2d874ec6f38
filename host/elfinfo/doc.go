// Package elfinfo tells what an ELF file is and for which machine it was built,
// so that a build that cannot run here is refused when it is installed, in words
// that say what to build instead.
//
// It reads the file's header, its program headers, and of what these point to
// the interpreter's path and the flags of the dynamic section: a few kilobytes,
// whatever the file says. ReadLibc reads the names of the libraries that it needs,
// too, and tells which C library it was linked with. Neither tells whether the
// file will load: the versions of the C library, of Go, or of ARM's instruction
// set are not looked at. debug/elf gives the layouts; its reader is not used, because it reads
// whole tables whose sizes the file says.
package elfinfo
