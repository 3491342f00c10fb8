package race

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"odradek/bench/measure"
)

// Run carries out what the store does not hold yet: in each round every cell, its entrants one after another, in the next round the other way round, so that
// sides follow one another A B, B A, A B … . A run that fails is kept with its error, and the next one begins.
func Run(ctx context.Context, a *Arena, cells []*Cell, rounds int, s *Store, done func(n, total int, r *Record)) error {
	type turn struct {
		cell    *Cell
		entrant Entrant
		round   int
	}
	var turns []turn
	for round := range rounds {
		for _, c := range cells {
			entrants := slices.Clone(c.Entrants)
			if round%2 == 1 {
				slices.Reverse(entrants)
			}
			for _, e := range entrants {
				if (a.Only == "" || a.Only == e.Side) && !s.Done(c.Name+" "+e.String(), round) {
					turns = append(turns, turn{c, e, round})
				}
			}
		}
	}
	failed := 0
	for i, t := range turns {
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted after %d of %d runs: the same command goes on from here", i, len(turns))
		}
		r := a.one(ctx, t.cell, t.entrant, t.round)
		if err := s.Add(*r); err != nil {
			return err
		}
		if r.Error != "" {
			failed++
		}
		done(i+1, len(turns), r)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d runs failed", failed, len(turns))
	}
	return nil
}

// one runs a cell once on one side.
func (a *Arena) one(ctx context.Context, c *Cell, e Entrant, round int) *Record {
	r := &Record{Cell: c.Name, Entrant: e.String(), Round: round, Begun: time.Now().UTC()}
	var err error
	if c.Load != nil {
		r.Values, r.Machine, err = a.load(ctx, c, e)
	} else if r.Machine, err = measure.Calibrate(a.Dir); err == nil {
		if r.Values, err = c.Do(ctx, a, c, e); r.Values != nil {
			r.Values["fdatasync_p50"], r.Values["fdatasync_p99"] = r.Machine.FsyncP50.Seconds()*1e3, r.Machine.FsyncP99.Seconds()*1e3
		}
	}
	var unable Unable
	if errors.As(err, &unable) {
		r.Unable = unable.Why
	} else if err != nil {
		r.Error = err.Error()
	}
	return r
}

// length is how long a cell is measured.
func (a *Arena) length(c *Cell) time.Duration {
	if a.Plan.Quick {
		return a.Plan.Length
	}
	return max(a.Plan.Length, c.Length)
}
