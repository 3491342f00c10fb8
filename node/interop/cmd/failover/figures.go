package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// kill is one. Times count from it.
type kill struct {
	node   int
	active bool // it led the quorum, too
	led    int  // partitions
	commit time.Duration
	first  time.Duration // acknowledgement on one of them
	last   time.Duration // all of them were written to
}

func (k kill) String() string {
	role := "a broker"
	if k.active {
		role = "broker and active controller"
	}
	return fmt.Sprintf("node %d, %s, led %d: fenced %d ms after the kill; written to %d ms after that, all of them %d ms", k.node, role, k.led,
		k.commit.Milliseconds(), (k.first - k.commit).Milliseconds(), (k.last - k.commit).Milliseconds())
}

// figures are all kills.
type figures struct {
	timed      bool // times count as missed
	partitions int  // of the topic; every node has a replica of each
	kills      []kill
	fences     []int // changes of partitions in one batch with each fence, in the metadata logs of all nodes
}

func (f *figures) add(k kill) { f.kills = append(f.kills, k) }

// of are the values of some kills, sorted.
func (f *figures) of(which func(kill) bool, value func(kill) time.Duration) (out []time.Duration) {
	for _, k := range f.kills {
		if which(k) {
			out = append(out, value(k))
		}
	}
	slices.Sort(out)
	return out
}

// at is the smallest value that a share of all does not exceed.
func at(all []time.Duration, percent int) time.Duration {
	return all[max(0, (len(all)*percent+99)/100-1)]
}

func row(w io.Writer, name string, all []time.Duration) {
	if len(all) > 0 {
		fmt.Fprintf(w, "%-58s %5d %7d %7d %7d\n", name, len(all), at(all, 50).Milliseconds(), at(all, 99).Milliseconds(), all[len(all)-1].Milliseconds())
	}
}

// print prints them, and reports whether all demands are met.
func (f *figures) print(w io.Writer, sent int64, failed []error, there int64) bool {
	all := func(kill) bool { return true }
	active := func(k kill) bool { return k.active }
	broker := func(k kill) bool { return !k.active }
	fromFence := f.of(all, func(k kill) time.Duration { return k.last - k.commit })
	fromKill := f.of(all, func(k kill) time.Duration { return k.last })
	fmt.Fprintf(w, "\n%-58s %5s %7s %7s %7s\n", "milliseconds", "kills", "median", "p99", "max")
	row(w, "fence committed to next acknowledged write", f.of(all, func(k kill) time.Duration { return k.first - k.commit }))
	row(w, "fence committed to a write of every partition", fromFence)
	row(w, "kill to next acknowledged write", f.of(all, func(k kill) time.Duration { return k.first }))
	row(w, "kill to a write of every partition", fromKill)
	row(w, "  of these, a broker", f.of(broker, func(k kill) time.Duration { return k.last }))
	row(w, "  of these, broker and active controller", f.of(active, func(k kill) time.Duration { return k.last }))
	fmt.Fprintf(w, "%d records sent, %d errors, %d in the logs; %d fences, with at most %d changes of partitions in one append\n", sent, len(failed), there, len(f.fences)/3, slices.Max(append(f.fences, 0)))
	ok := true
	demand := func(held bool, what string, args ...any) {
		if !held {
			ok = false
			fmt.Fprintf(w, "MISSED: "+what+"\n", args...)
		}
	}
	late := 0
	for _, d := range fromFence {
		if d > fenceLimit {
			late++
		}
	}
	if f.timed {
		demand(late*100 <= max(len(fromFence), 100), "%d of %d took more than %v from the fence's commit", late, len(fromFence), fenceLimit)
		demand(at(fromKill, 50) <= killLimit, "the median from the kill is %v, more than %v", at(fromKill, 50), killLimit)
	}
	whole := 0
	for _, changes := range f.fences { // a busy machine may have more brokers fenced than were killed
		if changes == f.partitions {
			whole++
		}
	}
	demand(whole >= 3*len(f.kills), "%d kills, and in three logs %d fences with the changes of all %d partitions in one append: %v", len(f.kills), whole, f.partitions, f.fences)
	demand(len(failed) == 0, "errors reached the application, the first: %v", append(failed, nil)[0])
	demand(there == sent, "%d records were acknowledged, %d are there", sent, there)
	return ok
}
