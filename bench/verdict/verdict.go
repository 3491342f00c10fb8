// Package verdict turns the runs of a race into what people read: ratios with their intervals, a table, compare.json, pictures.
package verdict

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"odradek/bench/measure"
	"odradek/bench/race"
	"odradek/bench/report"
)

// Row is the answer to one question.
type Row struct {
	Aim    int    `json:"aim,omitempty"`
	Cell   string `json:"cell"`
	Metric string `json:"metric"`
	Unit   string `json:"unit"`
	Lower  bool   `json:"lower_is_better"`
	Ours   string `json:"ours"`
	// Theirs is the other entrant, or the figure of the same run that ours is divided by.
	Theirs      string           `json:"theirs,omitempty"`
	OurValue    measure.Interval `json:"our_value"`
	TheirValue  measure.Interval `json:"their_value"`
	Ratio       measure.Interval `json:"ratio"` // of each round; how many times better ours is, where there is another entrant
	Want        float64          `json:"want,omitempty"`
	Met         *bool            `json:"met,omitempty"` // by the median
	Errors      []string         `json:"errors,omitempty"`
	Unable      string           `json:"unable,omitempty"` // why one of them was not run
	against     bool             // there is another entrant
	asked       bool             // of an aim
	unavailable bool
}

// Comparison is compare.json.
type Comparison struct {
	Machine  report.Machine `json:"machine"`
	Plan     race.Plan      `json:"plan"`
	Settings []string       `json:"settings"`
	Command  string         `json:"command"`
	Device   measure.Machine
	Rounds   int           `json:"rounds"`
	Rows     []Row         `json:"rows"`
	Runs     []race.Record `json:"runs"`
	From     Sources       `json:"-"`
	cells    []*race.Cell
}

// Judge answers every question of the cells.
func Judge(cells []*race.Cell, records []race.Record) *Comparison {
	c := &Comparison{Runs: records, Settings: race.Settings(), Device: device(records), cells: cells}
	for _, r := range records {
		c.Rounds = max(c.Rounds, r.Round+1)
	}
	for _, cell := range cells {
		for _, q := range cell.Questions {
			if row, ok := answer(cell.Name, q, records); ok {
				c.Rows = append(c.Rows, row)
			}
		}
	}
	return c
}

// device is what the machine could do, at the median of all runs.
func device(records []race.Record) (m measure.Machine) {
	middle := func(of func(*measure.Machine) float64) float64 {
		var all []float64
		for i := range records {
			if v := of(&records[i].Machine); v > 0 {
				all = append(all, v)
			}
		}
		return measure.Bootstrap(all).Median
	}
	set := func(to *float64, of func(*measure.Machine) float64) {
		if v := middle(of); !math.IsNaN(v) {
			*to = v
		}
	}
	var p50, p99 float64
	set(&p50, func(m *measure.Machine) float64 { return float64(m.FsyncP50) })
	set(&p99, func(m *measure.Machine) float64 { return float64(m.FsyncP99) })
	m.FsyncP50, m.FsyncP99 = timeOf(p50), timeOf(p99)
	set(&m.WriteMBs, func(m *measure.Machine) float64 { return m.WriteMBs })
	set(&m.LoopMBs, func(m *measure.Machine) float64 { return m.LoopMBs })
	set(&m.MemoryGBs, func(m *measure.Machine) float64 { return m.MemoryGBs })
	return m
}

// values are a figure of an entrant by round, and what went wrong.
func values(cell, metric string, e race.Entrant, records []race.Record) (map[int]float64, []string) {
	out, failed := map[int]float64{}, map[int]string{}
	for _, r := range records {
		if r.Cell != cell || r.Entrant != e.String() {
			continue
		}
		delete(failed, r.Round) // a failed run is run again
		switch v, ok := r.Values[metric]; {
		case r.Error != "":
			failed[r.Round] = e.String() + ": " + r.Error
		case ok:
			out[r.Round] = v
		}
	}
	var errs []string
	for _, e := range failed { // any order: sorted
		if !slices.Contains(errs, e) {
			errs = append(errs, e)
		}
	}
	slices.Sort(errs)
	return out, errs
}

func interval(byRound map[int]float64) measure.Interval {
	var all []float64
	for _, v := range byRound { // any order: sorted by Bootstrap
		all = append(all, v)
	}
	return measure.Bootstrap(all)
}

// unableFor is why an entrant did not run a cell, if it never did.
func unableFor(cell string, e race.Entrant, records []race.Record) (why string) {
	for _, r := range records {
		if r.Cell == cell && r.Entrant == e.String() {
			why = r.Unable
		}
	}
	return why
}

// answer judges one question, ok if there was a run for it.
func answer(cell string, q race.Question, records []race.Record) (Row, bool) {
	row := Row{Aim: q.Aim, Cell: cell, Metric: q.Metric, Unit: q.Unit, Lower: q.Lower, Ours: q.Ours.String(), Want: q.Want, against: q.Theirs != nil, asked: q.Aim != 0 && (q.Want != 0 || q.Theirs == nil)}
	ours, errs := values(cell, q.Metric, q.Ours, records)
	row.Unable = unableFor(cell, q.Ours, records)
	theirs, reference := map[int]float64{}, q.Reference
	switch {
	case q.Theirs != nil:
		row.Theirs = q.Theirs.String()
		var more []string
		theirs, more = values(cell, q.Metric, *q.Theirs, records)
		row.Unable = cmp.Or(row.Unable, unableFor(cell, *q.Theirs, records))
		errs = append(errs, more...)
	case reference != "":
		row.Theirs = reference
		theirs, _ = values(cell, reference, q.Ours, records)
	}
	row.Errors = errs
	ratios := map[int]float64{}
	for round, v := range ours { // any order: a map is filled
		o, ok := theirs[round]
		switch {
		case q.Theirs != nil && ok && q.Lower && v > 0:
			ratios[round] = o / v
		case (q.Theirs != nil || reference != "") && ok && o > 0:
			ratios[round] = v / o
		case q.Theirs == nil && reference == "":
			ratios[round] = v
		}
	}
	row.OurValue, row.TheirValue, row.Ratio = interval(ours), interval(theirs), interval(ratios)
	row.unavailable = row.Ratio.Runs == 0
	if row.asked && !row.unavailable {
		met := q.Met(row.Ratio.Median)
		row.Met = &met
	}
	clean(&row)
	return row, len(ours)+len(theirs)+len(errs) > 0 || row.Unable != ""
}

// clean makes intervals of nothing something that JSON can hold.
func clean(r *Row) {
	for _, i := range []*measure.Interval{&r.OurValue, &r.TheirValue, &r.Ratio} {
		if i.Runs == 0 {
			*i = measure.Interval{}
		}
	}
}

// Medians says, for the cells of an aim that are many, how many ours wins and the median of the ratios.
func (c *Comparison) Medians(aim int) (won, all int, median float64) {
	var ratios []float64
	for _, r := range c.Rows {
		if r.Aim == aim && r.against && !r.unavailable {
			ratios = append(ratios, r.Ratio.Median)
			if all++; r.Ratio.Median >= 1 {
				won++
			}
		}
	}
	return won, all, measure.Bootstrap(ratios).Median
}

// JSON writes compare.json.
func (c *Comparison) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(c)
}

// Page writes what stands in the documentation: the page, and its pictures as SVG, whose names stand behind from.Pictures in it.
func (c *Comparison) Page(w io.Writer, pictures string) error {
	if err := c.Markdown(w); err != nil {
		return err
	}
	names, err := c.draw(pictures)
	for _, name := range names {
		if strings.HasSuffix(name, ".png") {
			err = errors.Join(err, os.Remove(name))
		}
	}
	return err
}

// Write writes compare.json, compare.md and the pictures into a directory.
func (c *Comparison) Write(dir string) (names []string, err error) {
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{{"compare.json", c.JSON}, {"compare.md", c.Markdown}} {
		file, err := os.Create(filepath.Join(dir, f.name))
		if err != nil {
			return nil, err
		}
		if err := f.write(file); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		if err := file.Close(); err != nil {
			return nil, err
		}
		names = append(names, filepath.Join(dir, f.name))
	}
	pictures, err := c.draw(dir)
	return append(names, pictures...), err
}

// Read takes compare.json in and judges its runs anew: questions may have changed since, runs have not.
func Read(cells []*race.Cell, text []byte) (*Comparison, error) {
	var was Comparison
	if err := json.Unmarshal(text, &was); err != nil {
		return nil, err
	}
	c := Judge(cells, was.Runs)
	c.Machine, c.Plan, c.Command = was.Machine, was.Plan, was.Command
	return c, nil
}
