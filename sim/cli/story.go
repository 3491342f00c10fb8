package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"odradek/sim"
)

// How much of a failing run is printed.
const (
	lastLines    = 40 // of the trace
	touchedLines = 25 // of what the invariant is about
)

// story keeps of a running seed what is printed if it fails.
type story struct {
	ring     [lastLines]string
	lines    int
	schedule []string // faults, when they struck
}

func (s *story) keep(entry []byte) {
	for line := range traceLines(entry) {
		s.ring[s.lines%lastLines] = line
		s.lines++
		if strings.Contains(line, " fault ") {
			s.schedule = append(s.schedule, line)
		}
	}
}

// traceLines gives the lines of an entry of the trace. That of a step's effects has one for each effect: each gets the time and the node, so that what is grepped
// out of a trace can be read.
func traceLines(entry []byte) iter.Seq[string] {
	text := strings.TrimSuffix(string(entry), "\n")
	head, effects, _ := strings.Cut(text, "\n")
	return func(yield func(string) bool) {
		if !strings.HasSuffix(head, " ") { // an event, or a note: what it quotes may have several lines
			yield(strings.ReplaceAll(text, "\n", "; "))
			return
		}
		for effect := range strings.SplitSeq(effects, "\n") {
			if !yield(head + "< " + effect) {
				return
			}
		}
	}
}

// tell prints how a seed failed: the trace's end, the faults, what last touched the partition that the invariant names, the invariant and how to run it again.
func (s *story) tell(out io.Writer, f *flags, edit *sim.Edit, r *sim.Result) {
	fmt.Fprintf(out, "\nthe last %d lines of the trace:\n", min(s.lines, lastLines))
	for i := max(0, s.lines-lastLines); i < s.lines; i++ {
		fmt.Fprintln(out, s.ring[i%lastLines])
	}
	fmt.Fprintf(out, "\nfaults, by virtual time in ns:\n")
	for _, line := range s.schedule {
		fmt.Fprintln(out, line)
	}
	if subject := partitionName.FindString(r.Found); subject != "" {
		fmt.Fprintf(out, "\nwhat last touched %s:\n", subject)
		for _, line := range touched(f, edit, subject) {
			fmt.Fprintln(out, line)
		}
	}
	fmt.Fprintf(out, "\noracle %s: %s\nagain: %s\n", r.Oracle, r.Found, f.again(f.seed)+f.edited())
}

var partitionName = regexp.MustCompile(`\b(t[0-9]+|churn)-[0-9]+\b`)

// edited is what the command that runs the seed again needs besides.
func (f *flags) edited() string {
	if f.edit == "" {
		return ""
	}
	return " --edit " + f.edit
}

// touched runs the seed again and returns the last lines that name a partition, by its topic's name or id.
func touched(f *flags, edit *sim.Edit, subject string) []string {
	topic, number, _ := strings.Cut(subject, "-")
	opened := regexp.MustCompile(`([A-Za-z0-9_-]{22})-[0-9]+ dir=[0-9]+ topic="?` + topic + `\b`)
	names := [][]byte{[]byte(subject)}
	var ring []string
	cfg := sim.Config{Options: sim.Draw(f.seed, f.drawn.Of(f.seed)), BlackBox: f.blackBox, JudgesOnly: f.judges, Edit: edit}
	cfg.Trace = func(entry []byte) {
		for _, m := range opened.FindAllSubmatch(entry, -1) {
			if id := []byte(string(m[1]) + "-" + number); !contains(names, id) {
				names = append(names, id)
			}
		}
		if !contains(names, entry) {
			return
		}
		for line := range traceLines(entry) {
			if contains(names, []byte(line)) {
				ring = append(ring, line)
			}
		}
		ring = ring[max(0, len(ring)-touchedLines):]
	}
	sim.Run(cfg)
	return ring
}

// contains reports whether text names one of names.
func contains(names [][]byte, text []byte) bool {
	for _, name := range names {
		if i := bytes.Index(text, name); i >= 0 && (i+len(name) == len(text) || text[i+len(name)] < '0' || text[i+len(name)] > '9') {
			return true
		}
	}
	return false
}

// keep has a run keep its history and draw its pages where the flags say. What it returns writes the history when the run is over, however it ended.
func (f *flags) keep(cfg *sim.Config) (write func() error, err error) {
	if f.pages != "" {
		if err := os.MkdirAll(f.pages, 0o755); err != nil {
			return nil, fmt.Errorf("--html: %w", err)
		}
		cfg.Draw = func(part string) (io.WriteCloser, error) { return os.Create(filepath.Join(f.pages, part+".html")) }
	}
	if f.history == "" {
		return func() error { return nil }, nil
	}
	file, err := os.Create(f.history)
	if err != nil {
		return nil, fmt.Errorf("--history: %w", err)
	}
	cfg.Record = new(sim.Record)
	return func() error {
		if err := errors.Join(cfg.Record.History.Write(file), file.Close()); err != nil {
			return fmt.Errorf("--history: %w", err)
		}
		return nil
	}, nil
}
