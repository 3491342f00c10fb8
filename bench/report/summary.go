// Package report turns runs into what people read: a page with pictures, a table, and files for other programs.
package report

import (
	"math"
	"slices"

	"odradek/bench/cell"
	"odradek/bench/measure"
	"odradek/bench/run"
)

// Summary is what all runs of a cell say together.
type Summary struct {
	ID         string                      `json:"id"`
	Cell       cell.Cell                   `json:"cell"`
	Metrics    map[string]measure.Interval `json:"metrics"` // by name; what is not known is not there
	Unanswered int64                       `json:"unanswered,omitempty"`
	Errors     []string                    `json:"errors,omitempty"`

	due, sent, late, endToEnd *measure.Histogram // of all runs
	runs                      []run.Record
}

// Metric is one figure of a run.
type Metric struct {
	Name string
	Unit string
	of   func(*figures) float64 // NaN: not known
	// pooled: where not every run knows it, it is computed from all runs' histograms together, without an interval.
	pooled bool
}

// figures is a run with its histograms read.
type figures struct {
	*run.Record
	due, sent, late, endToEnd *measure.Histogram
}

var unknown = math.NaN()

// per divides, where there is something to divide by.
func per(a, b float64) float64 {
	if b == 0 {
		return unknown
	}
	return a / b
}

func used(f *figures, of func(*measure.Usage) float64) float64 {
	if f.Usage == nil {
		return unknown
	}
	return of(f.Usage)
}

// percentile is in milliseconds.
func percentile(h *measure.Histogram, p float64) float64 {
	if h.Count() == 0 {
		return unknown
	}
	ns, ok := h.Percentile(p)
	if !ok {
		return unknown
	}
	return float64(ns) / 1e6
}

// Metrics are all figures, in the order of the columns.
func Metrics() []Metric {
	out := []Metric{
		{Name: "throughput", Unit: "MB/s", of: func(f *figures) float64 { return per(float64(f.Values)/1e6, f.Seconds) }},
		{Name: "records_rate", Unit: "records/s", of: func(f *figures) float64 { return per(float64(f.Records), f.Seconds) }},
		{Name: "batches_rate", Unit: "batches/s", of: func(f *figures) float64 { return per(float64(f.Batches), f.Seconds) }},
	}
	for _, h := range histograms() {
		for _, p := range []struct {
			name string
			p    float64
		}{{"p50", 50}, {"p99", 99}, {"p999", 99.9}} {
			out = append(out, Metric{Name: h.name + "_" + p.name, Unit: "ms", pooled: true, of: func(f *figures) float64 { return percentile(h.of(f), p.p) }})
		}
		out = append(out, Metric{Name: h.name + "_max", Unit: "ms", of: func(f *figures) float64 {
			if h.of(f).Count() == 0 {
				return unknown
			}
			return float64(h.of(f).Max()) / 1e6
		}})
	}
	return append(out, costs()...)
}

type kind struct {
	name string
	of   func(*figures) *measure.Histogram
}

func histograms() []kind {
	return []kind{
		{"ack", func(f *figures) *measure.Histogram { return f.due }},
		{"sent", func(f *figures) *measure.Histogram { return f.sent }},
		{"late", func(f *figures) *measure.Histogram { return f.late }},
		{"e2e", func(f *figures) *measure.Histogram { return f.endToEnd }},
	}
}

func costs() []Metric {
	return []Metric{
		{Name: "cpu_per_gb", Unit: "s/GB", of: func(f *figures) float64 {
			return used(f, func(u *measure.Usage) float64 { return per(u.CPU.Seconds(), float64(f.SinceValues)/1e9) })
		}},
		{Name: "cpu_per_record", Unit: "µs", of: func(f *figures) float64 {
			return used(f, func(u *measure.Usage) float64 { return per(u.CPU.Seconds()*1e6, float64(f.SinceRecords)) })
		}},
		{Name: "fsyncs_per_record", Unit: "", of: func(f *figures) float64 {
			return used(f, func(u *measure.Usage) float64 {
				if u.Fsyncs < 0 {
					return unknown
				}
				return per(float64(u.Fsyncs), float64(f.SinceRecords))
			})
		}},
		{Name: "calls_per_record", Unit: "", of: func(f *figures) float64 {
			return used(f, func(u *measure.Usage) float64 { return per(float64(u.Reads+u.Writes), float64(f.SinceRecords)) })
		}},
		{Name: "wire_per_record", Unit: "B", of: func(f *figures) float64 { return per(float64(f.SinceWire), float64(f.SinceRecords)) }},
		{Name: "disk_per_record", Unit: "B", of: func(f *figures) float64 {
			if f.Disk == 0 {
				return unknown
			}
			return per(float64(f.Disk), float64(f.DiskOf))
		}},
		{Name: "ratio", Unit: "", of: func(f *figures) float64 { return per(float64(f.SinceValues), float64(f.SinceWire)) }},
		{Name: "memory", Unit: "MB", of: func(f *figures) float64 {
			if f.Memory == 0 {
				return unknown
			}
			return float64(f.Memory) / 1e6
		}},
		{Name: "generator_waited", Unit: "%", of: func(f *figures) float64 { return per(100*float64(f.Waited), float64(f.Ran)) }},
		{Name: "fdatasync_p50", Unit: "ms", of: func(f *figures) float64 { return f.Machine.FsyncP50.Seconds() * 1e3 }},
		{Name: "fdatasync_p99", Unit: "ms", of: func(f *figures) float64 { return f.Machine.FsyncP99.Seconds() * 1e3 }},
		{Name: "disk_write", Unit: "MB/s", of: func(f *figures) float64 { return f.Machine.WriteMBs }},
		{Name: "loopback", Unit: "MB/s", of: func(f *figures) float64 { return f.Machine.LoopMBs }},
		{Name: "memory_copy", Unit: "GB/s", of: func(f *figures) float64 { return f.Machine.MemoryGBs }},
	}
}

// Summarize groups runs by cell, in the order of cells; cells without a run are left out.
func Summarize(cells []cell.Cell, records []run.Record) ([]*Summary, error) {
	var out []*Summary
	for _, c := range cells {
		s := &Summary{ID: c.ID(), Cell: c, Metrics: map[string]measure.Interval{}, due: measure.NewHistogram(), sent: measure.NewHistogram(),
			late: measure.NewHistogram(), endToEnd: measure.NewHistogram()}
		last := map[int]string{} // errors of repetitions that have not succeeded since
		for _, r := range records {
			if r.ID != s.ID {
				continue
			}
			delete(last, r.Rep)
			if r.Error != "" {
				last[r.Rep] = r.Error
				continue
			}
			s.runs = append(s.runs, r)
			s.Unanswered += r.Unanswered
		}
		for _, e := range last {
			if !slices.Contains(s.Errors, e) {
				s.Errors = append(s.Errors, e)
			}
		}
		slices.Sort(s.Errors)
		if len(s.runs)+len(s.Errors) == 0 {
			continue
		}
		if err := s.measure(); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// measure computes every metric of the cell's runs.
func (s *Summary) measure() error {
	var all []figures
	for i := range s.runs {
		f, err := read(&s.runs[i])
		if err != nil {
			return err
		}
		s.due.Merge(f.due)
		s.sent.Merge(f.sent)
		s.late.Merge(f.late)
		s.endToEnd.Merge(f.endToEnd)
		all = append(all, *f)
	}
	merged := &figures{Record: &run.Record{}, due: s.due, sent: s.sent, late: s.late, endToEnd: s.endToEnd}
	for _, m := range Metrics() {
		var values []float64
		for i := range all {
			values = append(values, m.of(&all[i]))
		}
		if m.pooled && slices.ContainsFunc(values, math.IsNaN) {
			// A run alone has too few for this percentile; together they may have enough.
			values = []float64{m.of(merged)}
		}
		i := measure.Bootstrap(values)
		if i.Runs > 0 {
			s.Metrics[m.Name] = i
		}
	}
	return nil
}

func read(r *run.Record) (f *figures, err error) {
	f = &figures{Record: r}
	for _, h := range []struct {
		to   **measure.Histogram
		text string
	}{{&f.due, r.Due}, {&f.sent, r.Sent}, {&f.late, r.Late}, {&f.endToEnd, r.EndToEnd}} {
		if h.text == "" {
			continue
		}
		if *h.to, err = measure.DecodeHistogram(h.text); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// Values are all metrics of a run by itself, by name; what is not known is not there. p9999 of acknowledgement and end to end are among them.
func Values(r *run.Record) (map[string]float64, error) {
	f, err := read(r)
	if err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for _, m := range Metrics() {
		if v := m.of(f); !math.IsNaN(v) {
			out[m.Name] = v
		}
	}
	for _, h := range histograms() {
		if v := percentile(h.of(f), 99.99); !math.IsNaN(v) {
			out[h.name+"_p9999"] = v
		}
	}
	return out, nil
}

// Get is the interval of a metric, ok if it is known.
func (s *Summary) Get(metric string) (measure.Interval, bool) {
	i, ok := s.Metrics[metric]
	return i, ok
}
