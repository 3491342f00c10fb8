// Package shrink makes failing runs small: it leaves out faults, clients, batches and time while the same oracle fires, and tells what is left.
package shrink

import (
	"sync"
	"time"

	"odradek/sim"
)

// Search looks for the least decisions with which a seed fails as it did.
type Search struct {
	Config sim.Config // Options, and what else all runs have
	Jobs   int        // runs at once
	Most   time.Duration

	Whole sim.Result // as the seed fails
	Least sim.Result // as it fails with Edit
	Edit  sim.Edit
	Runs  int
	Took  time.Duration
	Cut   bool // Most was over before nothing more could go

	start  time.Time
	codecs []*sim.Codec
	run    func(sim.Config) sim.Result // sim.Run, but for tests
	taken  func(*sim.Edit)             // hears of every candidate that is taken; tests only
}

// Run searches. It reports whether the seed fails at all.
func (s *Search) Run() bool {
	s.start = time.Now()
	if s.run == nil {
		s.run = sim.Run
	}
	for range s.Jobs {
		s.codecs = append(s.codecs, sim.NewCodec())
	}
	s.Whole = s.try(0, nil)
	if s.Whole.Outcome == sim.OK {
		return false
	}
	s.Edit, s.Least = s.Whole.Decisions.Clone(), s.Whole
	s.trim()
	for before := s.Runs; s.pass() && s.Runs > before; before = s.Runs {
	}
	s.Cut = s.over()
	s.Took = time.Since(s.start)
	return true
}

func (s *Search) over() bool { return time.Since(s.start) > s.Most }

// try runs the seed with an edit.
func (s *Search) try(job int, e *sim.Edit) sim.Result {
	cfg := s.Config
	cfg.Edit, cfg.Codec = e, s.codecs[job]
	return s.run(cfg)
}

// same reports whether a run fails as the whole one did. What the oracle says of it may differ.
func (s *Search) same(r *sim.Result) bool {
	return r.Outcome == s.Whole.Outcome && r.Oracle == s.Whole.Oracle
}

// first tries candidates, several at once, and takes the first in their order that fails as the seed does; so it is the same one however many run at once. It returns its
// number, or -1.
func (s *Search) first(candidates []sim.Edit) int {
	for from := 0; from < len(candidates) && !s.over(); from += s.Jobs {
		some := candidates[from:min(from+s.Jobs, len(candidates))]
		results := make([]sim.Result, len(some))
		var runs sync.WaitGroup
		for i := range some {
			runs.Go(func() { results[i] = s.try(i, &some[i]) })
		}
		runs.Wait()
		s.Runs += len(some)
		for i := range results {
			if s.same(&results[i]) {
				s.Edit, s.Least = some[i].Clone(), results[i]
				s.trim()
				if s.taken != nil {
					s.taken(&s.Edit)
				}
				return from + i
			}
		}
	}
	return -1
}

// trim leaves out what the run did not come to: it is the same run without.
func (s *Search) trim() {
	kept := s.Edit.Faults[:0]
	for _, b := range s.Edit.Faults {
		if b.At <= s.Least.Virtual || b.From == sim.FromEnd {
			kept = append(kept, b)
		}
	}
	s.Edit.Faults = kept
	for i := range s.Edit.Clients {
		given := len(s.Least.Decisions.Clients[i].Batches)
		s.Edit.Clients[i].Batches = s.Edit.Clients[i].Batches[:given]
	}
}
