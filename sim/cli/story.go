package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"odradek/linearizability"
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

func (s *story) keep(line []byte) {
	s.ring[s.lines%lastLines] = string(line)
	s.lines++
	if bytes.Contains(line, []byte(" fault ")) {
		s.schedule = append(s.schedule, strings.TrimSpace(string(line)))
	}
}

// tell prints how a seed failed: the trace's end, the faults, what last touched the partition that the invariant names, the invariant and how to run it again.
func (s *story) tell(out io.Writer, f *flags, r *sim.Result) {
	fmt.Fprintf(out, "\nthe last %d entries of the trace:\n", min(s.lines, lastLines))
	for i := max(0, s.lines-lastLines); i < s.lines; i++ {
		fmt.Fprint(out, s.ring[i%lastLines])
	}
	fmt.Fprintf(out, "\nfaults, by virtual time in ns:\n")
	for _, line := range s.schedule {
		fmt.Fprintln(out, line)
	}
	if subject := partitionName.FindString(r.Found); subject != "" {
		fmt.Fprintf(out, "\nwhat last touched %s:\n", subject)
		for _, line := range touched(f, subject) {
			fmt.Fprintln(out, line)
		}
	}
	fmt.Fprintf(out, "\noracle %s: %s\nagain: %s\n", r.Oracle, r.Found, f.again(f.seed))
}

var partitionName = regexp.MustCompile(`\b(t[0-9]+|churn)-[0-9]+\b`)

// touched runs the seed again and returns the last lines that name a partition, by its topic's name or id.
func touched(f *flags, subject string) []string {
	topic, number, _ := strings.Cut(subject, "-")
	opened := regexp.MustCompile(`([A-Za-z0-9_-]{22})-[0-9]+ dir=[0-9]+ topic="?` + topic + `\b`)
	names := [][]byte{[]byte(subject)}
	var ring []string
	cfg := sim.Config{Options: sim.Draw(f.seed, f.drawn), BlackBox: f.blackBox, JudgesOnly: f.judges}
	cfg.Trace = func(entry []byte) {
		for _, m := range opened.FindAllSubmatch(entry, -1) {
			if id := []byte(string(m[1]) + "-" + number); !contains(names, id) {
				names = append(names, id)
			}
		}
		if !contains(names, entry) {
			return
		}
		head, rest, _ := strings.Cut(strings.TrimRight(string(entry), "\n"), "\n")
		for _, line := range append([]string{head}, strings.Split(rest, "\n")...) {
			if contains(names, []byte(line)) {
				ring = append(ring, head[:strings.IndexByte(head+" ", ' ')]+" "+strings.TrimPrefix(line, head[:strings.IndexByte(head+" ", ' ')]+" "))
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

// keep has a run write its history and its pages where the flags say. What could not be written is told when the run is over.
func (f *flags) keep(cfg *sim.Config) *error {
	failed := new(error)
	if f.history != "" {
		cfg.History = func(h linearizability.History) {
			file, err := os.Create(f.history)
			if err == nil {
				err = errors.Join(h.Write(file), file.Close())
			}
			if err != nil {
				*failed = fmt.Errorf("--history: %w", err)
			}
		}
	}
	if f.pages != "" {
		if err := os.MkdirAll(f.pages, 0o755); err != nil {
			*failed = fmt.Errorf("--html: %w", err)
		}
		cfg.Draw = func(part string) (io.WriteCloser, error) { return os.Create(filepath.Join(f.pages, part+".html")) }
	}
	return failed
}
