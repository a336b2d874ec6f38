// A module of its own: this program is for wasip1 and no part of the host.
module example.com/tally

go 1.26
