// A module of its own: this program is for wasip1 and no part of the host.
module example.com/vowels

go 1.26

require github.com/extism/go-pdk v1.1.3
