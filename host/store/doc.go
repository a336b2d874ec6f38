// Package store keeps the records of installed plugins in one bbolt file.
//
//	Put, Delete ──► one bbolt transaction, on disk when it returns
//	Load        ──► every record, or an error: never some of them
//	Open        ──► lock ► check every page ► bbolt ► read every record
//	                           │ damaged
//	                           └► moved to <path>.damaged-<time>, a fresh file made, Fresh() is true
//
// # The file
//
// One bucket for each kind holds the records as JSON by name. The bucket "meta"
// holds the seal: the format's version, how many records there are, and a sum
// over all of them, renewed in each transaction. bbolt itself has no checksum
// but on its two header pages, and meets a damaged page with a panic, or with a
// memory fault that no recover stops. So Open reads the file with plain reads
// and checks all of it before bbolt maps it.
//
// The file's lock is flock(2): one process at a time, gone with the process.
package store
