package shrink

import (
	"slices"

	"odradek/sim"
)

// pass tries to leave out something of each sort, and reports whether anything went.
func (s *Search) pass() bool {
	went := false
	for _, sort := range []func() bool{s.time, s.faults, s.clients, s.weather, s.batches, s.strikes} {
		if s.over() {
			return false
		}
		went = sort() || went
	}
	return went
}

// time ends the faults earlier: at a share of the time in which the run failed, the least first.
func (s *Search) time() bool {
	end := min(s.Edit.Ends, s.Least.Virtual)
	var some []sim.Edit
	for _, percent := range []sim.Time{5, 10, 20, 35, 50, 75, 90, 100} {
		if at := end * percent / 100; at > 0 && at < s.Edit.Ends {
			e := s.Edit.Clone()
			e.Ends = at
			some = append(some, e)
		}
	}
	return s.first(some) >= 0
}

// less leaves out parts of n, in pieces that get smaller: all, a half, and so on to one (the reduction to complements of ddmin: Zeller and Hildebrandt, "Simplifying and
// Isolating Failure-Inducing Input", 2002). without makes the edit that lacks those from..to of what is there now; count is how many are.
func (s *Search) less(count func() int, without func(from, to int) sim.Edit) bool {
	went := false
	for size := count(); size > 0; size /= 2 {
		for at := 0; at < count() && !s.over(); {
			var some []sim.Edit
			for from := at; from < count() && len(some) < s.Jobs; from += size {
				some = append(some, without(from, min(from+size, count())))
			}
			if i := s.first(some); i >= 0 {
				went = true
				at += i * size
			} else {
				at += len(some) * size
			}
		}
	}
	return went
}

func (s *Search) faults() bool {
	return s.less(func() int { return len(s.Edit.Faults) }, func(from, to int) sim.Edit {
		e := s.Edit.Clone()
		e.Faults = slices.Delete(e.Faults, from, to)
		return e
	})
}

// clients has each do less: nothing, or only read, or only give, or none of what it does besides.
func (s *Search) clients() bool {
	went := false
	for i := range s.Edit.Clients {
		for _, change := range []func(c *sim.ClientEdit){
			func(c *sim.ClientEdit) {
				*c = sim.ClientEdit{NoReads: true, Steady: true, NoChurn: true, NoAlters: true, NoTrims: true}
			},
			func(c *sim.ClientEdit) {
				c.NoReads, c.Steady, c.NoChurn, c.NoAlters, c.NoTrims = true, true, true, true, true
			},
			func(c *sim.ClientEdit) { c.Steady, c.NoChurn, c.NoAlters, c.NoTrims = true, true, true, true },
			func(c *sim.ClientEdit) { c.NoReads, c.Steady = true, true },
			func(c *sim.ClientEdit) { c.Steady = true },
			func(c *sim.ClientEdit) { c.NoChurn = true },
			func(c *sim.ClientEdit) { c.NoAlters = true },
			func(c *sim.ClientEdit) { c.NoTrims = true },
		} {
			e := s.Edit.Clone()
			if change(&e.Clients[i]); !alike(&e.Clients[i], &s.Edit.Clients[i]) {
				went = s.first([]sim.Edit{e}) >= 0 || went
			}
		}
	}
	return went
}

func alike(a, b *sim.ClientEdit) bool {
	return len(a.Batches) == len(b.Batches) && a.NoReads == b.NoReads && a.Steady == b.Steady && a.NoChurn == b.NoChurn && a.NoAlters == b.NoAlters && a.NoTrims == b.NoTrims
}

// weather makes network and disk quick and even.
func (s *Search) weather() bool {
	var some []sim.Edit
	for _, calm := range [][2]bool{{true, true}, {true, false}, {false, true}} {
		e := s.Edit.Clone()
		e.CalmNet, e.CalmHD = e.CalmNet || calm[0], e.CalmHD || calm[1]
		if e.CalmNet != s.Edit.CalmNet || e.CalmHD != s.Edit.CalmHD {
			some = append(some, e)
		}
	}
	return s.first(some) >= 0
}

func (s *Search) batches() bool {
	count := func() (n int) {
		for i := range s.Edit.Clients {
			n += len(s.Edit.Clients[i].Batches)
		}
		return n
	}
	return s.less(count, func(from, to int) sim.Edit {
		e := s.Edit.Clone()
		for i := range e.Clients {
			b := e.Clients[i].Batches
			e.Clients[i].Batches = slices.Delete(b, min(from, len(b)), min(to, len(b)))
			from, to = max(0, from-len(b)), max(0, to-len(b))
		}
		return e
	})
}

// salts is how many other draws of delays, and of what a power loss keeps, are tried for each fault that does not go.
const salts = 6

// strikes tries to leave out each fault with other draws of what no decision names: which fault goes may hang on what a power loss happens to keep.
func (s *Search) strikes() bool {
	went := false
	for i := 0; i < len(s.Edit.Faults) && !s.over(); {
		var some []sim.Edit
		for n := range uint64(salts) {
			e := s.Edit.Clone()
			e.Faults = slices.Delete(e.Faults, i, i+1)
			e.Salt += n + 1
			some = append(some, e)
		}
		if s.first(some) >= 0 {
			went = true
		} else {
			i++
		}
	}
	return went
}
