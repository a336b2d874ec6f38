// Package signing signs the digests of packages and checks signatures, with Ed25519.
//
// What is signed is not the package but the text
//
//	berth package v1
//	<SHA-256 of the zip, 64 lower-case hex digits>
//
// with a newline behind each line, so that a signature made for anything else is none for a package, and the other way
// round. A signature is kept as one line of base64. Keys are PEM files as other tools make and read them: private ones
// PKCS #8, public ones PKIX (RFC 8410).
//
// The package reads no file and knows no policy: who may sign is decided by who keeps the list of public keys. All of its
// functions are safe for concurrent use, and all texts that they read may be hostile.
package signing
