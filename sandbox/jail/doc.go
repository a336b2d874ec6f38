// Package jail is the file system that a guest sees: one folder of the host, and
// no way out of it.
//
//	guest ── WASI ── wazero ── FS ── os.Root ── the folder
//	                            │
//	                            └─ ledger: bytes, entries, open files
//
// wazero's own DirFS joins paths, and a symbolic link leads it anywhere. Here
// every operation goes through os.Root, which resolves a path one element at a
// time below the folder's descriptor. So neither "..", nor an absolute path, nor
// a link, nor a folder that is moved while a path is resolved leads outside.
//
// # What a guest can do
//
// Files and folders: all that WASI has. Names are relative to the folder; a
// slash at the beginning means the folder.
//
// Symbolic links are followed while they stay inside; others are there, but
// following one fails with EPERM. A guest can make one that is relative, that
// has ".." only at its beginning and no more often than there are folders
// above it, and whose own path has no links; moving a link is held to the
// same. Hard links are made to files only.
//
// Anything that is neither a file nor a folder (a FIFO, socket or device that
// the host put there) is listed but not opened: EPERM, and never waiting for
// a peer. Permissions are those of the host's process; set-user-ID,
// set-group-ID and sticky bits cannot be set.
//
// # What is bounded
//
// Options.MaxBytes bounds the sum of the sizes of all files, not the blocks on the
// disk; a file with holes counts as long as it is, one with several names once.
// What is there at New is counted by walking the folder. From then on the growth
// of files is charged before it happens and credited when files shrink or go,
// where a file that was removed while it is open goes when it is closed. The
// account is exact as long as only one FS changes the folder. What the host
// changes meanwhile is not seen until the next New; it makes the account wrong by
// as much, and never negative. A write that does not fit fails whole.
//
// Options.MaxEntries bounds files, folders and links, which cost the host
// something even if they are empty, in the same way. Options.MaxOpen bounds what
// is open at once, among all instances that share the FS.
//
// A path has at most 4096 bytes. One Readdir returns at most 65,536 entries and
// fails with ERANGE if it was to return more and there are more; a guest gets
// there only with a buffer of more than 1.5 MiB, as others read in parts.
//
// # What is left to the host
//
// Mount points and what lies on them belong to the folder. A guest may move a
// folder with relative links in it up, so that they point outside; the jail does
// not follow them, and neither should the host, wherever guests can write.
// Reading and syncing take as long as the disk does.
package jail
