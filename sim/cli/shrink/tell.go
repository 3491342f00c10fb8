package shrink

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"odradek/linearizability"
	"odradek/sim"
)

// Size is how much a run has of what shrinking leaves out.
type Size struct{ Faults, Clients, Batches int }

// SizeOf measures a run. Its faults are those that struck; or those that fell, if they are more: some find no occasion.
func SizeOf(r *sim.Result) Size {
	s := Size{Faults: max(r.FaultCount(), len(r.Decisions.Faults))}
	for _, c := range r.Decisions.Clients {
		if s.Batches += len(c.Batches); len(c.Batches) > 0 || !c.NoReads {
			s.Clients++
		}
	}
	return s
}

// Story is what happened in a run, in order.
type Story struct {
	Result  sim.Result
	Options sim.Options
	Edit    sim.Edit
	Part    string // that the oracle names; "" if it names none
	Lines   []Line
	Ops     []Op
	Explain []byte // Porcupine's page; nil if there is nothing of the partition
	Fits    bool   // Porcupine found an order that explains the partition
}

// Line is one thing that happened.
type Line struct {
	At   sim.Time
	Who  string
	Sort Sort
	Text string
}

// rank orders what happened at one time: what a fault does comes behind it, and the failure last.
func (l *Line) rank() int {
	switch l.Sort {
	case Fault:
		return 0
	case Final:
		return 2
	}
	return 1
}

// Sort is what a line is about.
type Sort string

// The sorts.
const (
	Fault  Sort = "fault"
	Node   Sort = "node"
	World  Sort = "world"
	Client Sort = "client"
	Final  Sort = "failure"
)

// Op is one operation of a client, with its times.
type Op struct {
	linearizability.Operation
	From, To sim.Time
	Open     bool // nobody knows how it ended
}

var partitionName = regexp.MustCompile(`\b(t[0-9]+|churn)-[0-9]+\b`)

// Tell runs what is left once more, and writes down what happens.
func (s *Search) Tell() *Story {
	cfg := s.Config
	record := new(sim.Record)
	t := &Story{Options: s.Config.Options, Edit: s.Edit}
	cfg.Edit, cfg.Record = &s.Edit, record
	cfg.Trace = t.hear
	t.Result = s.run(cfg)
	t.Part = partitionName.FindString(t.Result.Found)
	t.enter(record)
	if t.Part != "" {
		var page bytes.Buffer
		if found, fits, err := linearizability.Picture(record.History, t.Part, &page); found && err == nil {
			t.Explain, t.Fits = page.Bytes(), fits
		}
	}
	t.order()
	return t
}

// order puts the lines in the order of time.
func (t *Story) order() {
	slices.SortStableFunc(t.Lines, func(a, b Line) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.rank(), b.rank())) })
}

// nodeLines are the beginnings of what is told of the node, besides faults.
var nodeLines = []string{"starts", "down ", "before operation ", "damaged: ", "rotten: ", "halted: "}

var phases = map[string]string{"phase 1": "the faults stop; the power fails a last time; clients get rid of what they have", "phase 2": "new readers read everything",
	"phase 3": "the node is told to stop", "phase 5": "what one copy cannot replace is gone: the node must say so"}

// hear takes a line of the trace.
func (t *Story) hear(line []byte) {
	stamp, rest, _ := strings.Cut(strings.TrimRight(string(line), "\n"), " ")
	who, text, _ := strings.Cut(rest, " ")
	at, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return
	}
	l := Line{At: sim.Time(at), Who: who, Text: text}
	switch {
	case strings.HasPrefix(text, "fault "):
		l.Sort, l.Text = Fault, strings.TrimPrefix(text, "fault ")
	case who == "world":
		if l.Sort = World; phases[text] != "" {
			l.Text = phases[text]
		} else if strings.HasPrefix(text, "phase ") {
			return
		} else {
			l.Sort = Final
		}
	case slices.ContainsFunc(nodeLines, func(p string) bool { return strings.HasPrefix(text, p) }):
		l.Sort = Node
	default:
		return
	}
	t.Lines = append(t.Lines, l)
}

// enter takes what clients did: of the partition of the finding, or of all if it names none.
func (t *Story) enter(r *sim.Record) {
	for _, op := range r.History {
		name := fmt.Sprintf("%s-%d", op.Topic, op.Partition)
		if op.Op == linearizability.Client || t.Part != "" && name != t.Part {
			continue
		}
		o := Op{Operation: op, From: r.At(op.Call), To: t.Result.Virtual, Open: op.Return < 0}
		if !o.Open {
			o.To = r.At(op.Return)
		}
		t.Ops = append(t.Ops, o)
		t.Lines = append(t.Lines, t.lines(&o)...)
	}
}

// who is a client's name. Those behind the seed's own read last of all.
func (t *Story) who(client int) string {
	if client >= len(t.Options.Clients) {
		return "reader"
	}
	return fmt.Sprintf("c%d", client)
}

// lines are what is told of an operation.
func (t *Story) lines(o *Op) []Line {
	who, part := t.who(o.Process), fmt.Sprintf("%s-%d", o.Topic, o.Partition)
	line := func(at sim.Time, format string, args ...any) Line {
		return Line{at, who, Client, fmt.Sprintf(format, args...)}
	}
	switch o.Op {
	case linearizability.Produce:
		out := []Line{line(o.From, "gives %s to %s", names(o.Values), part)}
		switch {
		case o.Open:
			return out
		case o.Outcome != linearizability.OK:
			return append(out, line(o.To, "is told of %s in %s: an error", names(o.Values), part))
		case o.Offset == linearizability.NoOffset:
			return append(out, line(o.To, "is told of %s in %s: sent, and nobody asked (acks=0)", names(o.Values), part))
		}
		return append(out, line(o.To, "is told of %s in %s: acknowledged at offset %d", names(o.Values), part, o.Offset))
	case linearizability.Poll:
		return []Line{line(o.To, "reads %s from offset %d to %d: %s", part, o.Operation.Offset, o.Next, names(o.Values))}
	case linearizability.Final:
		return []Line{line(o.To, "reads all of %s, offsets %d to %d: %s", part, o.Operation.Offset, o.Next, names(o.Values))}
	case linearizability.Latest:
		return []Line{line(o.To, "asks for the end of %s: %d", part, o.Operation.Offset)}
	case linearizability.End:
		return []Line{{o.To, "n0", Node, fmt.Sprintf("%s is recovered up to offset %d", part, o.Operation.Offset)}}
	case linearizability.Damaged:
		return []Line{{o.To, "n0", Node, fmt.Sprintf("%s: offsets %d to %d are damaged", part, o.Operation.Offset, o.Next)}}
	}
	return nil
}

// names are the names of records by their numbers in a history; of many the first and the last.
func names(values []uint64) string {
	name := func(v uint64) string {
		if v>>63 != 0 {
			return "a record that nobody gave"
		}
		return fmt.Sprintf("c%d-%06d", v>>32-1, v&0xffffffff)
	}
	var out []string
	for i := 0; i < len(values); {
		j := i + 1
		for j < len(values) && values[j] == values[j-1]+1 {
			j++
		}
		if out = append(out, name(values[i])); j > i+1 {
			out[len(out)-1] += fmt.Sprintf("..%06d", values[j-1]&0xffffffff)
		}
		i = j
	}
	switch {
	case len(out) == 0:
		return "nothing"
	case len(out) > 6:
		out = append(append(out[:3:3], fmt.Sprintf("(%d more)", len(out)-5)), out[len(out)-2:]...)
	}
	return strings.Join(out, " ")
}

// linesMost bounds what is printed.
const linesMost = 60

// Print prints the story: what is left of the run, and what happened in order. Of more than fits, what clients did long before the failure is left out first.
func (t *Story) Print(out io.Writer, again string) {
	fmt.Fprintf(out, "oracle %s: %s\n\nleft of the decisions:\n", t.Result.Oracle, t.Result.Found)
	for _, line := range t.left() {
		fmt.Fprintln(out, "  "+line)
	}
	fmt.Fprintln(out, "\nthe story:")
	shown, dropped := t.fit()
	if dropped > 0 {
		fmt.Fprintf(out, "  (%d earlier doings of clients are left out)\n", dropped)
	}
	for _, l := range shown {
		fmt.Fprintf(out, "%12s  %-7s %s\n", clock(l.At), l.Who, l.label())
	}
	fmt.Fprintf(out, "\nagain: %s\n", again)
}

func (l *Line) label() string {
	switch l.Sort {
	case Fault:
		return "FAULT " + l.Text
	case Final:
		return "FAILS " + l.Text
	}
	return l.Text
}

// clock writes a time in milliseconds.
func clock(t sim.Time) string { return fmt.Sprintf("%.3f ms", float64(t)/float64(sim.Millisecond)) }

// fit returns the lines that are printed, and how many are not.
func (t *Story) fit() (shown []Line, dropped int) {
	dropped = max(0, len(t.Lines)-linesMost)
	left := dropped
	for _, l := range t.Lines {
		if left > 0 && l.Sort == Client {
			left--
			continue
		}
		shown = append(shown, l)
	}
	return shown, dropped - left
}

// left says what is left of the decisions.
func (t *Story) left() (out []string) {
	for _, b := range t.Edit.Faults {
		out = append(out, fmt.Sprintf("fault at %s: %s", clock(b.At), b.Kind))
	}
	for i, c := range t.Edit.Clients {
		does := "reads, seeks and pauses"
		switch {
		case c.NoReads:
			does = "does not read"
		case c.Steady:
			does = "reads"
		}
		if o := &t.Options.Clients[i]; o.Churn > 0 && !c.NoChurn {
			does += ", makes and deletes a topic"
		}
		if o := &t.Options.Clients[i]; o.Alters > 0 && !c.NoAlters {
			does += ", alters configurations"
		}
		if o := &t.Options.Clients[i]; o.Trims > 0 && !c.NoTrims {
			does += ", deletes records"
		}
		if len(c.Batches) == 0 && c.NoReads {
			does = "only makes its topic"
		} else {
			does = fmt.Sprintf("gives %d batches, %s", len(c.Batches), does)
		}
		out = append(out, fmt.Sprintf("client c%d of %s: %s", i, t.Options.Topics[t.Options.Clients[i].Topic].Name, does))
	}
	quiet := map[[2]bool]string{{true, true}: "quick and even network and disk", {true, false}: "quick and even network", {false, true}: "quick and even disk"}
	if s := quiet[[2]bool{t.Edit.CalmNet, t.Edit.CalmHD}]; s != "" {
		out = append(out, s)
	}
	if t.Edit.Salt > 0 {
		out = append(out, fmt.Sprintf("other delays (draw %d)", t.Edit.Salt))
	}
	return append(out, "faults until "+clock(min(t.Edit.Ends, t.Options.Safety)))
}
