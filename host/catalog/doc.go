// Package catalog tells which plugins can be had ready-made, and where: it asks plugin hosts, and knows what a tree of files
// has to look like to be one.
//
//	                  ┌─► plugin host 1 ─► <host>/kuiper-plugins/<version>/<system>/<kind>/index.json ─┐
//	Prebuilt(kind) ───┼─► plugin host 2 ─► ...                                                         ├─► name -> URL of a zip
//	                  └─► ...               what each offers is remembered for a while                 ┘
//
// A plugin host is the prefix of URLs below which packages lie as eKuiper's do:
//
//	<host>/kuiper-plugins/<version>/<system>/<kind>/<name>_<arch>.zip
//
// Berth looks for an index.json beside them: see [Index]. A host without one is taken for one of eKuiper's, which has none:
// of it the list is assumed that eKuiper has compiled in. One that cannot be reached is left out, and the log says so.
//
// What a host sends is not trusted: sizes and counts are bounded, names are plugin names, URLs are those of zips over http
// or https. Nothing of it is fetched here but the index: whether a package is installed is somebody else's decision.
package catalog
