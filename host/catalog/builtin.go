package catalog

import "berth/host"

// What holds unless the configuration says otherwise, as in eKuiper.
const (
	// DefaultHost is eKuiper's own plugin host.
	DefaultHost = "https://packages.emqx.io"

	// DefaultVersion is that of the eKuiper whose packages fit.
	DefaultVersion = "2.4.0"
)

// Kinds are those of which there are prebuilt plugins, in the order of their names.
func Kinds() []host.Kind { return []host.Kind{host.Functions, host.Sinks, host.Sources} }

// builtIn are the plugins that eKuiper's release 2.4 says its plugin hosts have; none for kinds that are not in [Kinds].
func builtIn(kind host.Kind) []string {
	switch kind {
	case host.Functions:
		return []string{"accumulateWordCount", "countPlusOne", "echo", "geohash", "image", "labelImage", "tfLite"}
	case host.Sinks:
		return []string{"image", "influx", "influx2", "kafka", "sql", "zmq"}
	case host.Sources:
		return []string{"kafka", "random", "sql", "video", "zmq"}
	}
	return nil
}

// builtInOffers are the URLs of these plugins in a folder of a plugin host, as eKuiper makes them.
func builtInOffers(kind host.Kind, folder, arch string) map[string]string {
	offers := map[string]string{}
	for _, name := range builtIn(kind) {
		offers[name] = folder + "/" + PackageFile(name, arch)
	}
	return offers
}
