// Package race measures two brokers by turns: the same load, the same clients, the same machine, one of them held still while the other runs. What is measured
// are the aims of the project and shapes in which others' claims broke; what came out stands in bench/verdict.
package race

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"odradek/bench/cell"
	"odradek/bench/journal"
	"odradek/bench/measure"
)

// Side is a broker.
type Side string

// The sides.
const (
	Odradek Side = "odradek"
	Kafka   Side = "kafka"
)

// Entrant is a broker with the way in which it makes records durable.
type Entrant struct {
	Side Side
	// Flushed: flush.messages=1, which acknowledges what is on the disk. Otherwise Kafka's default, which leaves that to the operating system.
	Flushed bool
}

// The entrants.
var (
	Durable      = Entrant{Odradek, true}
	Relaxed      = Entrant{Odradek, false}
	KafkaFlushed = Entrant{Kafka, true}
	KafkaDefault = Entrant{Kafka, false}
)

// String names it as reports do.
func (e Entrant) String() string {
	switch e {
	case Durable:
		return "odradek durable"
	case Relaxed:
		return "odradek relaxed"
	case KafkaFlushed:
		return "kafka flush.messages=1"
	}
	return "kafka"
}

// never is flush.messages where only the operating system decides: Kafka's default.
const never = "9223372036854775807"

// Configs are a topic's for this entrant.
func (e Entrant) Configs() map[string]string {
	if e.Flushed {
		return map[string]string{"flush.messages": "1"}
	}
	return map[string]string{"flush.messages": never}
}

// Values are the figures of one run, by name.
type Values map[string]float64

// Question is what a cell is run for: a figure, and what it is held against.
type Question struct {
	Aim    int // of the issue; 0: it is told, and nothing is asked of it
	Metric string
	Unit   string
	Lower  bool // less is better
	Ours   Entrant
	// Theirs: the ratio says how many times better ours is. Otherwise ours is divided by Reference, a figure of the same run, or taken as it is.
	Theirs    *Entrant
	Reference string
	// Want is the aim for that number: at least for a ratio and where more is better, else at most; 0: none.
	Want float64
}

// Cell is one thing to measure.
type Cell struct {
	Name      string
	About     string
	Nodes     int // brokers on each side
	Entrants  []Entrant
	Load      *cell.Cell    // of the generator; nil: Do measures otherwise
	Rounds    int           // how often each entrant is measured, if nothing else is said
	Length    time.Duration // of each measurement; a longer one may be asked for, and a shorter one with --quick
	Around    time.Duration // what a run takes besides, on two processors: starts, filling, cleaning up; for Expected
	Alone     bool          // its brokers are its own: started for each run
	Brief     string        // why a CPU profile says nothing about it; empty: one does
	Pinned    bool          // brokers have the first processor for themselves, the generator the second
	Do        func(ctx context.Context, a *Arena, c *Cell, e Entrant) (Values, error)
	Questions []Question
	Quick     bool // also run with --quick
}

// Aims are those that its questions belong to.
func (c *Cell) Aims() (out []int) {
	for _, q := range c.Questions {
		if q.Aim != 0 && !slices.Contains(out, q.Aim) {
			out = append(out, q.Aim)
		}
	}
	return out
}

// Plan is what must not change between a comparison and its continuation.
type Plan struct {
	Kafka    string        `json:"kafka"` // its version
	JVM      string        `json:"jvm_options"`
	Warm     time.Duration `json:"warm_ns"`   // load on a broker before its first measured run
	Warmup   time.Duration `json:"warmup_ns"` // part of each run before it is measured
	Length   time.Duration `json:"length_ns"` // of each measurement, at least; with Quick exactly
	Quick    bool          `json:"quick"`
	Recover  int64         `json:"recover_bytes"`
	Backlog  int64         `json:"backlog_bytes"`
	Reread   int64         `json:"reread_bytes"`
	Messages int64         `json:"tool_messages"`
	Seed     uint64        `json:"seed"`
}

// Record is one run of a cell on one side.
type Record struct {
	Cell    string          `json:"cell"`
	Entrant string          `json:"entrant"`
	Round   int             `json:"round"`
	Begun   time.Time       `json:"begun"`
	Took    time.Duration   `json:"took_ns"` // with what stands around the measurement: its broker's start and warm-up, if it is the first
	Error   string          `json:"error,omitempty"`
	Unable  string          `json:"unable,omitempty"` // why this cannot be run here; nothing else counts
	Machine measure.Machine `json:"machine"`
	Values  Values          `json:"values,omitempty"`
}

// Key names the cell and the side.
func (r Record) Key() (id string, rep int) { return r.Cell + " " + r.Entrant, r.Round }

// Failed reports whether it gave no figures: it is run again when the comparison goes on, since what was missing may be there then.
func (r Record) Failed() bool { return r.Error != "" || r.Unable != "" }

// Store keeps the runs of a comparison.
type Store = journal.Store[Plan, Record]

// Unable is an error of a cell that cannot be run here, or that a side does not serve: it is told, and is no failure.
type Unable struct{ Why string }

func (u Unable) Error() string { return u.Why }

// Pick chooses cells by aims and by patterns of names, with * for anything; nothing given is all.
func Pick(from []*Cell, aims []int, patterns []string) ([]*Cell, error) {
	if len(aims)+len(patterns) == 0 {
		return from, nil
	}
	var out []*Cell
	for _, c := range from {
		if slices.ContainsFunc(c.Aims(), func(n int) bool { return slices.Contains(aims, n) }) || slices.ContainsFunc(patterns, func(p string) bool { return matches(p, c.Name) }) {
			out = append(out, c)
		}
	}
	for _, n := range aims {
		if !slices.ContainsFunc(out, func(c *Cell) bool { return slices.Contains(c.Aims(), n) }) {
			return nil, fmt.Errorf("no cell belongs to aim %d: --list shows them", n)
		}
	}
	for _, p := range patterns {
		if !slices.ContainsFunc(out, func(c *Cell) bool { return matches(p, c.Name) }) {
			return nil, fmt.Errorf("no cell is named %q: --list shows the names", p)
		}
	}
	return out, nil
}

// matches compares with * for anything.
func matches(pattern, name string) bool {
	first, rest, starred := strings.Cut(pattern, "*")
	if !starred {
		return pattern == name
	}
	if !strings.HasPrefix(name, first) {
		return false
	}
	for i := len(first); i <= len(name); i++ {
		if matches(rest, name[i:]) {
			return true
		}
	}
	return false
}

// Met reports whether a number is what is asked.
func (q *Question) Met(v float64) bool {
	if q.Lower && q.Theirs == nil {
		return v <= q.Want
	}
	return v >= q.Want
}
