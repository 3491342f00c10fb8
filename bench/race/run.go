package race

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"odradek/bench/measure"
)

// turn is one run that is to be made.
type turn struct {
	cell    *Cell
	entrant Entrant
	round   int
}

// turns are those that the store does not hold yet: in each round every cell, its entrants one after another, in the next round the other way round, so that
// sides follow one another A B, B A, A B … . rounds is how often, 0: as often as each cell says.
func (a *Arena) turns(cells []*Cell, rounds int, s *Store) (out []turn) {
	for round := range mostRounds(cells, rounds) {
		for _, c := range cells {
			if round >= c.repeated(rounds) {
				continue
			}
			entrants := slices.Clone(c.Entrants)
			if round%2 == 1 {
				slices.Reverse(entrants)
			}
			for _, e := range entrants {
				if (a.Only == "" || a.Only == e.Side) && !s.Done(c.Name+" "+e.String(), round) {
					out = append(out, turn{c, e, round})
				}
			}
		}
	}
	return out
}

// Run carries out the turns that are left. A run that fails is kept with its error, and the next one begins.
func Run(ctx context.Context, a *Arena, cells []*Cell, rounds int, s *Store, done func(n, total int, r *Record)) error {
	turns := a.turns(cells, rounds, s)
	failed := 0
	for i, t := range turns {
		if begins := i == 0 || turns[i-1].cell != t.cell; begins && !a.Until.IsZero() && time.Now().After(a.Until) {
			fmt.Fprintf(a.Says, "time is up after %d of %d runs: the same command goes on from here\n", i, len(turns))
			break
		}
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
	if err = a.able(c); err != nil {
	} else if c.Load != nil {
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
	r.Took = time.Since(r.Begun)
	return r
}

// repeated is how often a cell is measured on each side; 0: as often as it says itself.
func (c *Cell) repeated(rounds int) int {
	if rounds > 0 {
		return rounds
	}
	return c.Rounds
}

func mostRounds(cells []*Cell, rounds int) (most int) {
	for _, c := range cells {
		most = max(most, c.repeated(rounds))
	}
	return most
}

// length is how long a cell is measured.
func (a *Arena) length(c *Cell) time.Duration { return a.Plan.LengthOf(c) }

// LengthOf is how long a cell is measured by this plan.
func (p *Plan) LengthOf(c *Cell) time.Duration {
	if p.Quick {
		return p.Length
	}
	return max(p.Length, c.Length)
}

// able reports Unable where the machine has not what a cell needs.
func (a *Arena) able(c *Cell) error {
	if c.Pinned && !measure.CanPart() {
		return Unable{"it needs two processors"}
	}
	return nil
}
