package sim

import (
	"fmt"
	"slices"
	"strings"

	"odradek/core/prng"
)

// Profile is the size of a world: how many clients, for how long, how busy.
type Profile struct{ Name, Rate string }

// The profiles and rates.
const (
	Single = "single" // one node for a minute, four clients: the standard
	Brief  = "brief"  // one node for some seconds, two clients: many seeds in little time
	Quorum = "quorum" // the metadata quorum: voters and observers, and clients that change metadata
	// Cluster is brokers with replicated partitions, and those who produce to them and read them.
	Cluster = "cluster"
	Usual   = "usual"
	Low     = "low" // few records and faults, long silences
)

// ProfileNames are all profiles.
var ProfileNames = []string{Single, Brief, Quorum, Cluster}

// All stands for every profile, one seed after another.
const All = "all"

// Of is the profile in which a seed is run: of all, each has its turn.
func (p Profile) Of(seed uint64) Profile {
	if p.Name == All {
		p.Name = ProfileNames[seed%uint64(len(ProfileNames))]
	}
	return p
}

// Standard is the profile that counts.
var Standard = Profile{Single, Usual}

// ParseProfile takes a profile and a rate as they are named on the command line.
func ParseProfile(name, rate string) (Profile, error) {
	if name != All && !slices.Contains(ProfileNames, name) {
		return Profile{}, fmt.Errorf("--profile is %q: want one of %s, or all", name, strings.Join(ProfileNames, ", "))
	}
	if rate != Usual && rate != Low {
		return Profile{}, fmt.Errorf("--rate is %q: want %s or %s", rate, Usual, Low)
	}
	return Profile{name, rate}, nil
}

func (p Profile) clients() int {
	if p.Name == Brief || p.Name == Cluster {
		return 2
	}
	return 4
}

func (p Profile) safety(rng *prng.Source) Time {
	if p.Name == Brief {
		return pick(rng, 2*Second, 5*Second, 12*Second)
	}
	if p.Name == Quorum || p.Name == Cluster {
		return pick(rng, 10*Second, 20*Second, 30*Second)
	}
	return pick(rng, 50*Second, 55*Second, 58*Second)
}

// batches draws how many a client produces.
func (p Profile) batches(rng *prng.Source) int {
	n := between(rng, 10, 50)
	if p.Name == Single {
		n = between(rng, 40, 120)
	}
	if p.Rate == Low {
		n = between(rng, 5, 12)
	}
	return n
}

// waitMs draws how long a reader has the broker wait for something to read.
func (p Profile) waitMs(rng *prng.Source) int32 {
	switch {
	case p.Rate == Low:
		return pick[int32](rng, 5000, 10_000)
	case p.Name == Single:
		return pick[int32](rng, 200, 500, 500, 1000, 1000, 2000)
	}
	return pick[int32](rng, 0, 50, 200)
}

// minBytes draws for how much a reader has the broker wait. One that waits for nothing asks all the time, which fills a minute with nothing else: those of the
// brief profile do.
func (p Profile) minBytes(rng *prng.Source) int32 {
	if p.Name == Single {
		return pick[int32](rng, 1, 1, 1, 1, 1, 300, 5000)
	}
	return pick[int32](rng, 0, 1, 1, 300, 5000)
}

// rare is how much less often each kind of fault strikes.
func (p Profile) rare() Time {
	if p.Rate == Low {
		return 4
	}
	return 1
}
