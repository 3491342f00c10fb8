package linearizability

import (
	"bytes"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// log is a log as it should be, with clients that use it: what it writes down has nothing wrong.
type log struct {
	t         *rapid.T
	now       int64
	records   []uint64
	lost      map[uint64]bool // went with an end
	next      uint64
	under     [4][]*Operation // produces of each process without an answer
	position  [4]int64
	guarantee Guarantee
	ends      bool
	history   History
}

const readersFrom = 10 // processes below send, those from here on read

func (l *log) tick() int64 { l.now++; return l.now }

func (l *log) base(kind Kind, process int) Operation {
	return Operation{Op: kind, Process: process, Topic: "t", Partition: 1}
}

// step does one thing.
func (l *log) step() {
	p := rapid.IntRange(0, 3).Draw(l.t, "process")
	switch rapid.SampledFrom([]string{"send", "send", "answer", "answer", "poll", "poll", "seek", "latest", "end"}).Draw(l.t, "step") {
	case "send":
		if len(l.under[p]) == 2 {
			return
		}
		op := l.base(Produce, p)
		op.Call, op.Acks, op.Offset, op.Return = l.tick(), rapid.SampledFrom([]int16{-1, 1}).Draw(l.t, "acks"), NoOffset, -1
		for range rapid.IntRange(1, 3).Draw(l.t, "values") {
			l.next++
			op.Values = append(op.Values, l.next)
		}
		l.under[p] = append(l.under[p], &op)
	case "answer":
		if len(l.under[p]) > 0 {
			l.answer(p)
		}
	case "poll":
		l.poll(p)
	case "seek":
		op := l.base(Seek, readersFrom+p)
		op.Call = l.tick()
		op.Return, op.Offset = op.Call, int64(rapid.IntRange(0, len(l.records)).Draw(l.t, "to"))
		l.position[p] = op.Offset
		l.history = append(l.history, op)
	case "latest":
		op := l.base(Latest, readersFrom+p)
		op.Call, op.Offset, op.Return = l.tick(), int64(len(l.records)), l.tick()
		l.history = append(l.history, op)
	case "end":
		if l.ends && rapid.IntRange(0, 3).Draw(l.t, "really") == 0 {
			l.end()
		}
	}
}

// answer ends the first produce of a process: it is written, or not, and its process is told, or not.
func (l *log) answer(p int) {
	op := l.under[p][0]
	l.under[p] = l.under[p][1:]
	op.Outcome = rapid.SampledFrom([]Outcome{OK, OK, OK, Fail, Unknown}).Draw(l.t, "outcome")
	if op.Outcome == OK || op.Outcome == Unknown && rapid.Bool().Draw(l.t, "written") {
		if l.guarantee == AtLeastOnce && rapid.Bool().Draw(l.t, "twice") {
			l.records = append(l.records, op.Values...)
		}
		op.Offset = int64(len(l.records))
		l.records = append(l.records, op.Values...)
	}
	if op.Outcome != OK {
		op.Offset = NoOffset
	}
	if op.Return = l.tick(); op.Outcome == Unknown {
		op.Return = -1
	}
	l.history = append(l.history, *op)
}

func (l *log) poll(p int) {
	op := l.base(Poll, readersFrom+p)
	op.Call, op.Offset = l.tick(), l.position[p]
	op.Next = op.Offset + int64(rapid.IntRange(0, 5).Draw(l.t, "most"))
	op.Next = max(op.Offset, min(op.Next, int64(len(l.records))))
	for o := op.Offset; o < op.Next; o++ {
		op.Offsets, op.Values = append(op.Offsets, o), append(op.Values, l.records[o])
	}
	op.Return = l.tick()
	l.position[p] = op.Next
	l.history = append(l.history, op)
}

// end loses the end of the log, and tells every reader that stood behind it.
func (l *log) end() {
	op := l.base(End, 0)
	op.Call, op.Offset = l.tick(), int64(rapid.IntRange(0, len(l.records)).Draw(l.t, "end"))
	for _, v := range l.records[op.Offset:] {
		l.lost[v] = true
	}
	l.records = l.records[:op.Offset:op.Offset]
	op.Return = l.tick()
	l.history = append(l.history, op)
	for p := range l.position {
		if l.position[p] > op.Offset {
			seek := l.base(Seek, readersFrom+p)
			seek.Call = l.tick()
			seek.Return, seek.Offset = seek.Call, op.Offset
			l.position[p] = op.Offset
			l.history = append(l.history, seek)
		}
	}
}

func generate(t *rapid.T, ends bool) *log {
	l := &log{t: t, ends: ends, lost: map[uint64]bool{}, guarantee: rapid.SampledFrom([]Guarantee{AtMostOnce, AtLeastOnce, ExactlyOnce}).Draw(t, "guarantee")}
	for p := range l.under {
		l.history = append(l.history, Operation{Op: Client, Process: p, Guarantee: l.guarantee})
	}
	for range rapid.IntRange(5, 60).Draw(t, "steps") {
		l.step()
	}
	for p := range l.under {
		for len(l.under[p]) > 0 {
			l.answer(p)
		}
	}
	op := l.base(Final, readersFrom)
	op.Call, op.Next = l.tick(), int64(len(l.records))
	for o, v := range l.records {
		op.Offsets, op.Values = append(op.Offsets, int64(o)), append(op.Values, v)
	}
	op.Return = l.tick()
	l.history = append(l.history, op)
	return l
}

func judged(t rapid.TB, h History, o Options) *Verdict {
	t.Helper()
	v, err := Check(h, o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestGoodHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := generate(t, true)
		var text bytes.Buffer
		if err := l.history.Write(&text); err != nil {
			t.Fatal(err)
		}
		h, err := Read(&text)
		if err != nil {
			t.Fatal(err)
		}
		if v := judged(t, h, Options{}); !v.Good() {
			for i := range h {
				t.Logf("%+v", h[i])
			}
			t.Fatalf("%v", v.Findings)
		}
	})
}

// spoil breaks a history in one way, and returns which anomaly shows; "" where it has no place for it.
var spoils = map[string]func(l *log) Anomaly{
	"a read shows another value": func(l *log) Anomaly {
		if op := l.some(func(op *Operation) bool {
			return op.Op == Poll && len(op.Values) > 1 && op.Values[0] != op.Values[1] && l.acked(op.Values[0])
		}); op != nil {
			op.Values[0], op.Values[1] = op.Values[1], op.Values[0]
			return Nonlinearizable
		}
		return ""
	},
	"a read leaves one out": func(l *log) Anomaly {
		if op := l.some(func(op *Operation) bool { return op.Op == Poll && len(op.Values) > 0 && l.holds(op.Values[0]) }); op != nil {
			op.Values, op.Offsets = op.Values[1:], op.Offsets[1:]
			return PollSkip
		}
		return ""
	},
	"a record that was acknowledged is not there": func(l *log) Anomaly {
		final := &l.history[len(l.history)-1]
		op := l.some(func(op *Operation) bool { return op.Op == Produce && op.Outcome == OK && l.holds(op.Values[0]) })
		if op == nil || l.guarantee == AtMostOnce {
			return ""
		}
		i := slices.Index(final.Values, op.Values[0])
		if j := slices.Index(final.Offsets, op.Offset); j >= 0 {
			i = j
		}
		last := i == len(final.Values)-1
		final.Values, final.Offsets = slices.Delete(slices.Clone(final.Values), i, i+1), slices.Delete(slices.Clone(final.Offsets), i, i+1)
		if last {
			return Unseen
		}
		return LostWrite
	},
	"a record is there again": func(l *log) Anomaly {
		final := &l.history[len(l.history)-1]
		if len(final.Values) == 0 || l.guarantee == AtLeastOnce {
			return ""
		}
		final.Values, final.Offsets = append(final.Values, final.Values[0]), append(final.Offsets, final.Next)
		final.Next++
		return Duplicate
	},
	"what was refused is there": func(l *log) Anomaly {
		final := &l.history[len(l.history)-1]
		op := l.some(func(op *Operation) bool { return op.Op == Produce && op.Outcome == Fail })
		if op == nil {
			return ""
		}
		final.Values, final.Offsets = append(final.Values, op.Values[0]), append(final.Offsets, final.Next)
		final.Next++
		return AbortedRead
	},
	"something is there that nobody sent": func(l *log) Anomaly {
		final := &l.history[len(l.history)-1]
		final.Values, final.Offsets = append(final.Values, 1<<60), append(final.Offsets, final.Next)
		final.Next++
		return Phantom
	},
	"a reader is moved back": func(l *log) Anomaly {
		op := l.some(func(op *Operation) bool { return op.Op == Poll && op.Offset > 0 && op.Next > op.Offset })
		if op == nil || !l.history.continues(op) {
			return ""
		}
		op.Offset--
		return NonmonotonicPoll
	},
	"the end is said to be lower than what was shown": func(l *log) Anomaly {
		final := &l.history[len(l.history)-1]
		if len(final.Values) == 0 {
			return ""
		}
		after := l.base(Latest, readersFrom)
		after.Call, after.Offset = l.tick(), final.Next-1
		after.Return = l.tick()
		l.history = append(l.history, after)
		return Nonlinearizable
	},
}

// some returns one of the operations that are so; nil if there is none.
func (l *log) some(so func(op *Operation) bool) *Operation {
	var all []*Operation
	for i := range l.history {
		if so(&l.history[i]) {
			all = append(all, &l.history[i])
		}
	}
	if len(all) == 0 {
		return nil
	}
	op := all[rapid.IntRange(0, len(all)-1).Draw(l.t, "which")]
	op.Values, op.Offsets = slices.Clone(op.Values), slices.Clone(op.Offsets)
	return op
}

func (l *log) acked(value uint64) bool {
	return slices.ContainsFunc(l.history, func(op Operation) bool {
		return op.Op == Produce && op.Outcome == OK && slices.Contains(op.Values, value)
	})
}

func (l *log) holds(value uint64) bool { return slices.Contains(l.records, value) }

// continues reports whether a poll goes on where an earlier one of the same reader was.
func (h History) continues(poll *Operation) bool {
	before := false
	for i := range h {
		op := &h[i]
		if op == poll {
			return before
		}
		before = before && op.Op != Poll || op.Process == poll.Process && (op.Op == Poll || op.Op == Seek)
	}
	return false
}

func TestSpoiltHistories(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(spoils)) {
		t.Run(name, func(t *testing.T) {
			seen := 0
			rapid.Check(t, func(t *rapid.T) {
				l := generate(t, false) // what was in a lost end nobody can tell any more
				want := spoils[name](l)
				if want == "" {
					return
				}
				seen++
				if v := judged(t, l.history, Options{}); v.Forbidden[want] == 0 {
					t.Fatalf("%s is not found, only %v", want, v.Forbidden)
				}
			})
			if seen == 0 {
				t.Error("no history has a place for it")
			}
		})
	}
}

// What one guarantee forbids another allows, and then it is counted.
func TestGuarantees(t *testing.T) {
	h := History{
		{Op: Produce, Process: 1, Topic: "t", Call: 1, Return: 2, Outcome: OK, Values: []uint64{7}},
		{Op: Produce, Process: 1, Topic: "t", Call: 3, Return: 4, Outcome: OK, Offset: 2, Values: []uint64{8}},
		{Op: Final, Process: 2, Topic: "t", Call: 5, Return: 6, Next: 3, Offsets: []int64{0, 1}, Values: []uint64{7, 7}},
	}
	for g, want := range map[Guarantee]string{AtMostOnce: "duplicate unseen", AtLeastOnce: "unseen", ExactlyOnce: "duplicate unseen"} {
		v := judged(t, h, Options{Guarantee: g, Jepsen: true})
		var found []string
		for _, a := range slices.Sorted(maps.Keys(v.Forbidden)) {
			found = append(found, string(a))
		}
		if g == AtMostOnce {
			want = "duplicate"
		}
		if got := strings.Join(found, " "); got != want {
			t.Errorf("%s: forbidden are %q, want %q; allowed %v", g, got, want, v.Allowed)
		}
		if g != ExactlyOnce && len(v.Allowed) != 1 {
			t.Errorf("%s: allowed are %v", g, v.Allowed)
		}
	}
}

func TestRefusedHistories(t *testing.T) {
	for line, want := range map[string]string{
		`{"op":"poll","topic":"t","call":5,"return":3}`:                                 "operation 1, a poll of process 0: it returns at 3, before its call at 5",
		`{"op":"poll","topic":"t","call":5,"return":-1}`:                                "it never returns: leave it out",
		`{"op":"poll","topic":"t","call":5,"return":6,"offsets":[1]}`:                   "1 offsets and 0 values",
		`{"op":"produce","topic":"t","call":5,"return":6}`:                              "it has no values",
		`{"op":"produce","topic":"t","call":5,"return":6,"values":[1]}`:                 `outcome "" is none of ok, fail, unknown`,
		`{"op":"produce","topic":"t","call":5,"return":-1,"values":[1],"outcome":"ok"}`: "it never returns, so its outcome is unknown, not ok",
		`{"op":"client","process":3,"guarantee":"twice"}`:                               `guarantee "twice" is none of at-most-once, at-least-once, exactly-once`,
		`{"op":"pray","topic":"t"}`:                                                     "its op is none of",
		`{"op":"poll"}`:                                                                 "it names no topic",
		`{"op":"poll","from":3}`:                                                        `unknown field "from"`,
		`{"op":"damaged","topic":"t","offset":3,"next":3}`:                              "the range 3 to 3 is empty",
		`{"op":"seek","topic":"t"}` + "\n" + `{`:                                        "operation 2: unexpected EOF",
		`{"op":"poll","topic":"t","call":5,"return":6,"offset":4,"next":3}`:             "it reads from 4 to 3",
	} {
		if _, err := Read(strings.NewReader(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
}

type page struct{ bytes.Buffer }

func (*page) Close() error { return nil }

func TestPicture(t *testing.T) {
	h := History{
		{Op: Produce, Process: 1, Topic: "t", Call: 1, Return: 2, Outcome: OK, Values: []uint64{7}},
		{Op: Produce, Process: 1, Topic: "t", Call: 3, Return: 4, Outcome: OK, Offset: 0, Values: []uint64{8}},
	}
	var drawn page
	v := judged(t, h, Options{Draw: func(string) (io.WriteCloser, error) { return &drawn, nil }})
	if v.Forbidden[Nonlinearizable] != 1 || v.Forbidden[InconsistentOffsets] != 1 || !strings.Contains(drawn.String(), "<html") {
		t.Errorf("%v; the page has %d bytes", v.Findings, drawn.Len())
	}
}

// A picture can be had of a partition that is explained, too, and of none that is not there.
func TestPictureOfOne(t *testing.T) {
	h := History{{Op: Produce, Process: 1, Topic: "t", Call: 1, Return: 2, Outcome: OK, Values: []uint64{7}}}
	for _, c := range []struct {
		part             string
		second           int64 // offset of a second produce
		found, explained bool
	}{{"t-0", 1, true, true}, {"t-0", 0, true, false}, {"t-1", 1, false, false}} {
		var drawn bytes.Buffer
		all := append(h[:1:1], Operation{Op: Produce, Process: 1, Topic: "t", Call: 3, Return: 4, Outcome: OK, Offset: c.second, Values: []uint64{8}})
		found, explained, err := Picture(all, c.part, &drawn)
		if err != nil || found != c.found || explained != c.explained || strings.Contains(drawn.String(), "<html") != found {
			t.Errorf("%+v: found %t, explained %t, %d bytes, %v", c, found, explained, drawn.Len(), err)
		}
	}
}

// Two records of one process that lie in another order than they were sent: an order of operations explains it, the promise of exactly-once does not allow it.
func TestOrderOfOneProcess(t *testing.T) {
	h := History{
		{Op: Produce, Process: 1, Topic: "t", Call: 1, Return: 6, Outcome: OK, Offset: 1, Values: []uint64{7}},
		{Op: Produce, Process: 1, Topic: "t", Call: 2, Return: 5, Outcome: OK, Offset: 0, Values: []uint64{8}},
		{Op: Final, Process: 2, Topic: "t", Call: 7, Return: 8, Next: 2, Offsets: []int64{0, 1}, Values: []uint64{8, 7}},
	}
	for g, forbidden := range map[Guarantee]int{ExactlyOnce: 1, AtLeastOnce: 0, AtMostOnce: 0} { // any order: each by itself
		v := judged(t, h, Options{Guarantee: g})
		if v.Forbidden[NonmonotonicSend] != forbidden || v.Allowed[NonmonotonicSend] != 1-forbidden || len(v.Forbidden) != forbidden {
			t.Errorf("%s: forbidden %v, allowed %v", g, v.Forbidden, v.Allowed)
		}
	}
}

// A read was in flight as the power failed, and what it shows is written again to the same place: it was of the log before, which served nobody after that.
func TestReadInFlightAsTheEndIsLost(t *testing.T) {
	h := History{
		{Op: Produce, Process: 1, Topic: "t", Call: 1, Return: 2, Outcome: OK, Values: []uint64{7}},
		{Op: Produce, Process: 2, Topic: "t", Call: 3, Return: 20, Since: 15, Outcome: OK, Offset: 1, Values: []uint64{8}},
		{Op: Poll, Process: 10, Topic: "t", Call: 4, Return: 8, Offset: 1, Next: 2, Offsets: []int64{1}, Values: []uint64{8}},
		{Op: End, Topic: "t", Call: 6, Return: 10, Offset: 1},
		{Op: Latest, Process: 11, Topic: "t", Call: 16, Return: 17, Offset: 1},
		{Op: Final, Process: 11, Topic: "t", Call: 21, Return: 22, Next: 2, Offsets: []int64{0, 1}, Values: []uint64{7, 8}},
	}
	if v := judged(t, h, Options{}); !v.Good() {
		t.Error(v.Findings)
	}
}
