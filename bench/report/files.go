package report

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"odradek/bench/cell"
	"odradek/bench/measure"
	"odradek/bench/run"
)

// Results is results.json.
type Results struct {
	Target  string     `json:"target"`
	Machine Machine    `json:"machine"`
	Plan    run.Plan   `json:"plan"`
	Command string     `json:"command"` // that repeats it
	Cells   []*Summary `json:"cells"`
}

// Machine is what the runs ran on.
type Machine struct {
	CPUs       int    `json:"cpus"`
	MemoryGB   string `json:"memory"`
	Kernel     string `json:"kernel"`
	CPU        string `json:"cpu"`
	FileSystem string `json:"file_system"`
	Go         string `json:"go"`
	Revision   string `json:"revision"`
}

// JSON writes results.json.
func (r *Results) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(r)
}

// CSV writes results.csv: a line for each cell, three columns for each metric: median, and the bounds of its interval.
func (r *Results) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	head := []string{"cell", "mode", "batch_bytes", "linger_ms", "codec", "record_bytes", "payload", "keys", "acks", "partitions", "producers", "in_flight",
		"records_due_per_s", "relaxed", "runs", "unanswered", "errors"}
	for _, m := range Metrics() {
		name := m.Name
		if m.Unit != "" {
			name += " [" + m.Unit + "]"
		}
		head = append(head, name, m.Name+" low", m.Name+" high")
	}
	if err := out.Write(head); err != nil {
		return err
	}
	for _, s := range r.Cells {
		if err := out.Write(s.row()); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func (s *Summary) row() []string {
	c := &s.Cell
	row := []string{s.ID, string(c.Mode), strconv.Itoa(c.Batch), number(c.Linger.Seconds() * 1e3), c.Codec, strconv.Itoa(c.Record), c.Payload,
		strconv.FormatBool(c.Keys), cell.AcksName(c.Acks), strconv.Itoa(c.Partitions), strconv.Itoa(c.Producers), strconv.Itoa(c.InFlight), number(c.Rate),
		strconv.FormatBool(c.Relaxed), strconv.Itoa(len(s.runs)), strconv.FormatInt(s.Unanswered, 10), strconv.Itoa(len(s.Errors))}
	for _, m := range Metrics() {
		if i, ok := s.Get(m.Name); ok {
			row = append(row, number(i.Median), number(i.Low), number(i.High))
		} else {
			row = append(row, "", "", "")
		}
	}
	return row
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// HistogramLog writes latency.hlog: for each run of a cell an interval each of acknowledgement − due, acknowledgement − sent and end to end.
func (r *Results) HistogramLog(w io.Writer) error {
	l, err := measure.NewLog(w, "nanoseconds; tag: cell, then ack (acknowledgement - due), sent (acknowledgement - sent), e2e (record due - at the consumer)")
	if err != nil {
		return err
	}
	for _, s := range r.Cells {
		for i := range s.runs {
			f, err := read(&s.runs[i])
			if err != nil {
				return err
			}
			for _, h := range histograms() {
				if h.of(f).Count() == 0 || h.name == "late" {
					continue
				}
				if err := l.Write(s.ID+":"+h.name, h.of(f), f.Begun, time.Duration(f.Seconds*1e9)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Write writes everything into a directory: pictures first, then the page that shows them.
func (r *Results) Write(dir string) ([]string, error) {
	pictures, err := r.Pictures(dir)
	if err != nil {
		return nil, err
	}
	files := []struct {
		name  string
		write func(io.Writer) error
	}{
		{"results.json", r.JSON}, {"results.csv", r.CSV}, {"latency.hlog", r.HistogramLog},
		{"report.html", func(w io.Writer) error { return r.HTML(w, pictures) }},
	}
	var names []string
	for _, f := range files {
		names = append(names, filepath.Join(dir, f.name))
		if err := writeFile(filepath.Join(dir, f.name), f.write); err != nil {
			return nil, err
		}
	}
	return names, nil
}

func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}
