package race

import (
	"time"

	"odradek/bench/cell"
	"odradek/bench/run"
)

// need is the memory that a run of the generator is given (measure.Reserve): how much, and how long it takes to use it up.
type need struct {
	bytes int64
	long  time.Duration
}

const (
	// mostValues is what a run writes at most, about, before it ends by itself.
	mostValues = 1 << 30
	// mostRate is what a broker that was not measured yet is taken to write in a second, at most.
	mostRate = mostValues
)

// need is what the last run of a cell by an entrant has used, and a quarter more for sockets. Of a first one that is not known.
func (a *Arena) need(c *Cell, e Entrant) need {
	n, known := a.needs[c.Name+" "+e.String()]
	if !known {
		n.bytes, n.long = mostValues*3/2, a.Plan.Warmup+a.length(c)
		if c.Load.Batch < mostValues>>16 || c.Load.Codec != cell.Default().Codec {
			n.bytes /= 8
		} else {
			n.long = min(n.long, time.Duration(float64(n.bytes)/mostRate*float64(time.Second)))
		}
	}
	n.bytes = n.bytes * 5 / 4 * int64(max(1, c.Nodes))
	return n
}

// noteNeed remembers what a run has used: what it wrote in all, since the warm-up began.
func (a *Arena) noteNeed(c *Cell, e Entrant, r *run.Record) {
	if r.SinceRecords == 0 {
		return
	}
	if a.needs == nil {
		a.needs = map[string]need{}
	}
	bytes := float64(r.SinceWire) / float64(r.SinceRecords) * float64(r.DiskOf)
	a.needs[c.Name+" "+e.String()] = need{int64(bytes), a.Plan.Warmup + time.Duration(r.Seconds*float64(time.Second))}
}
