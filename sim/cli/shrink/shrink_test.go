package shrink

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"odradek/linearizability"
	"odradek/sim"
)

// needy judges a run by an oracle of the test's own: it fires when the power fails after c0 has given something. So one fault and one batch are the least that can be left.
func needy(cfg sim.Config) sim.Result {
	r := sim.Run(cfg)
	r.Outcome, r.Oracle, r.Found = sim.OK, "", ""
	for _, f := range r.Decisions.Faults {
		if given := r.Decisions.Clients[0].Batches; f.Kind.String() == "power loss" && len(given) > 0 && given[0].At < f.At {
			r.Outcome, r.Oracle, r.Found = sim.Correctness, "needy", "t0-0: the power failed"
		}
	}
	return r
}

// onPaper judges as needy does, by the decisions alone: it runs only what has none.
func onPaper(cfg sim.Config) sim.Result {
	if cfg.Edit == nil {
		return needy(cfg)
	}
	r := sim.Result{Decisions: cfg.Edit.Clone(), Virtual: sim.Second}
	for _, f := range cfg.Edit.Faults {
		if given := cfg.Edit.Clients[0].Batches; f.At < cfg.Edit.Ends && f.Kind.String() == "power loss" && len(given) > 0 && given[0].At < f.At {
			r.Outcome, r.Oracle, r.Virtual = sim.Correctness, "needy", f.At
		}
	}
	return r
}

// small is one search that several tests look at.
var small = sync.OnceValue(func() *Search {
	for seed := range uint64(50) {
		s := &Search{Config: sim.Config{Options: sim.Draw(seed, sim.Profile{Name: sim.Brief, Rate: sim.Usual})}, Jobs: 2, Most: time.Hour, run: needy}
		r := needy(s.Config)
		if z := SizeOf(&r); r.Outcome != sim.OK && z.Faults > 10 && z.Batches > 10 && z.Clients == 2 {
			s.Run()
			return s
		}
	}
	panic("no seed of 50 fails with more than it needs")
})

func search(seed uint64, jobs int, judge func(sim.Config) sim.Result) *Search {
	s := &Search{Config: sim.Config{Options: sim.Draw(seed, sim.Profile{Name: sim.Brief, Rate: sim.Usual})}, Jobs: jobs, Most: time.Hour, run: judge}
	s.Run()
	return s
}

// What is left fails by the same oracle, is the least there can be, and is the same whether one run goes at a time or several.
func TestShrinksToTheLeast(t *testing.T) {
	s := small()
	got := SizeOf(&s.Least)
	if s.Least.Oracle != "needy" || got != (Size{Faults: 1, Clients: 1, Batches: 1}) {
		t.Errorf("left are %+v, by oracle %q", got, s.Least.Oracle)
	}
	c := s.Edit.Clients
	if !c[0].NoReads || !c[1].NoReads || len(c[1].Batches) > 0 || !s.Edit.CalmNet || !s.Edit.CalmHD || s.Edit.Ends >= s.Whole.Decisions.Ends || s.Cut {
		t.Errorf("more could go: %+v", s.Edit)
	}
	one, three := search(s.Config.Options.Seed, 1, onPaper), search(s.Config.Options.Seed, 3, onPaper)
	if !reflect.DeepEqual(one.Edit, three.Edit) || len(one.Edit.Faults) != 1 {
		t.Errorf("one at a time leaves\n%+v\nand three at once\n%+v", one.Edit, three.Edit)
	}
}

// It never grows, whatever the oracle: each candidate that is taken has no more of anything than the one before.
func TestNeverGrows(t *testing.T) {
	fickle := func(cfg sim.Config) sim.Result { // fires in half of all runs, as the digest says
		r := sim.Run(cfg)
		if r.Outcome, r.Oracle = sim.OK, ""; cfg.Edit == nil || r.Digest[0]%2 == 0 {
			r.Outcome, r.Oracle = sim.Liveness, "fickle"
		}
		return r
	}
	s := &Search{Config: sim.Config{Options: sim.Draw(4, sim.Profile{Name: sim.Brief, Rate: sim.Usual})}, Jobs: 2, Most: time.Hour, run: fickle}
	last := [3]int{1 << 30, 1 << 30, 1 << 30}
	s.taken = func(e *sim.Edit) {
		now := [3]int{len(e.Faults), 0, int(e.Ends)}
		for _, c := range e.Clients {
			now[1] += len(c.Batches)
		}
		for i := range now {
			if now[i] > last[i] {
				t.Errorf("it grew from %v to %v", last, now)
			}
		}
		last = now
	}
	if s.Run(); !s.same(&s.Least) || s.Runs < 10 {
		t.Errorf("%d runs, and it ends with oracle %q", s.Runs, s.Least.Oracle)
	}
}

// Another oracle is another failure; a seed that does not fail has nothing to shrink; and what takes too long is left as it is.
func TestKeepsTheOracle(t *testing.T) {
	seed := small().Config.Options.Seed
	other := func(cfg sim.Config) sim.Result {
		r := onPaper(cfg)
		if cfg.Edit != nil {
			r.Oracle += "another"
		}
		return r
	}
	if s := search(seed, 2, other); s.Least.Digest != s.Whole.Digest || s.Runs == 0 {
		t.Error("a run that fails by another oracle was taken")
	}
	if s := search(seed, 2, sim.Run); s.Whole.Outcome != sim.OK || s.Runs > 0 {
		t.Error("a seed that does not fail was shrunk")
	}
	s := &Search{Config: sim.Config{Options: sim.Draw(seed, sim.Profile{Name: sim.Brief, Rate: sim.Usual})}, Jobs: 2, run: needy}
	if s.Run(); !s.Cut || s.Runs > 0 || s.Least.Digest != s.Whole.Digest {
		t.Error("without time something was tried")
	}
}

// The file gives the small run again; one of another seed, or with what nobody knows in it, is refused.
func TestFile(t *testing.T) {
	s := small()
	path := filepath.Join(t.TempDir(), "shrunk.json")
	o := &s.Config.Options
	saved := Saved{Seed: o.Seed, Profile: o.Profile.Name, Rate: o.Profile.Rate, Oracle: "needy", Edit: s.Edit}
	if err := saved.Write(path); err != nil {
		t.Fatal(err)
	}
	e, err := Read(path, o)
	if err != nil {
		t.Fatal(err)
	}
	if r := sim.Run(sim.Config{Options: *o, Edit: e}); r.Digest != s.Least.Digest {
		t.Errorf("digest %v from the file, %v before", r.Digest, s.Least.Digest)
	}
	other := sim.Draw(o.Seed+1, o.Profile)
	if _, err := Read(path, &other); err == nil {
		t.Error("a file of another seed is taken")
	}
	text, _ := os.ReadFile(path)
	for was, is := range map[string]string{`"power loss"`: `"power"`, `"ends"`: `"end"`, `"from": "kind"`: `"from": "end"`} { // any order: each for itself
		if err := os.WriteFile(path, bytes.Replace(text, []byte(was), []byte(is), 1), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path, o); err == nil {
			t.Errorf("a file with %s in place of %s is taken", is, was)
		}
	}
}

// invented is a story of which every line is known.
func invented() *Story {
	o := sim.Draw(1, sim.Profile{Name: sim.Brief, Rate: sim.Usual})
	ms := sim.Millisecond
	t := &Story{Options: o, Part: "t0-0", Result: sim.Result{Seed: 1, Outcome: sim.Correctness, Oracle: "R9", Found: "t0-0: <lost> & gone", Virtual: 900 * ms, Events: 7},
		Edit: sim.Edit{Ends: 500 * ms, CalmNet: true, Faults: []sim.Blow{{At: 200 * ms, Kind: 1, From: sim.FromKind}},
			Clients: []sim.ClientEdit{{Batches: []sim.Give{{At: 100 * ms}}, Steady: true, NoAlters: true, NoChurn: true}, {NoReads: true, Steady: true, NoAlters: true, NoChurn: true}}}}
	for _, line := range []string{"0 n0 starts", "200000000 n0 down without power", "200000000 n0 fault power loss", "300000000 n0 starts", "300000000 n0 noise", "500000000 world phase 1",
		"900000000 world correctness R9: t0-0: <lost> & gone"} {
		t.hear([]byte(line + "\n"))
	}
	t.enter(&sim.Record{Times: []sim.Time{0, 100 * ms, 150 * ms, 400 * ms, 900 * ms}, History: linearizability.History{
		{Op: linearizability.Client, Process: 0},
		{Op: linearizability.Produce, Process: 0, Topic: "t0", Call: 2, Return: 3, Outcome: linearizability.OK, Acks: -1, Offset: 0, Values: []uint64{1<<32 | 1, 1<<32 | 2}},
		{Op: linearizability.Produce, Process: 0, Topic: "t0", Call: 4, Return: -1, Outcome: linearizability.Unknown, Offset: -1, Values: []uint64{1<<32 | 3}},
		{Op: linearizability.Produce, Process: 1, Topic: "t1", Call: 4, Return: -1, Outcome: linearizability.Unknown, Offset: -1, Values: []uint64{2<<32 | 1}},
		{Op: linearizability.Final, Process: 2, Topic: "t0", Call: 5, Return: 5, Offset: 0, Next: 0},
	}})
	t.order()
	return t
}

func TestPrint(t *testing.T) {
	var out bytes.Buffer
	invented().Print(&out, "odradek sim --seed 1 --edit x")
	want := `oracle R9: t0-0: <lost> & gone

left of the decisions:
  fault at 200.000 ms: power loss
  client c0 of t0: gives 1 batches, reads
  client c1 of t0: only makes its topic
  quick and even network
  faults until 500.000 ms

the story:
    0.000 ms  n0      starts
  100.000 ms  c0      gives c0-000001..000002 to t0-0
  150.000 ms  c0      is told of c0-000001..000002 in t0-0: acknowledged at offset 0
  200.000 ms  n0      FAULT power loss
  200.000 ms  n0      down without power
  300.000 ms  n0      starts
  400.000 ms  c0      gives c0-000003 to t0-0
  500.000 ms  world   the faults stop; the power fails a last time; clients get rid of what they have
  900.000 ms  reader  reads all of t0-0, offsets 0 to 0: nothing
  900.000 ms  world   FAILS correctness R9: t0-0: <lost> & gone

again: odradek sim --seed 1 --edit x
`
	if out.String() != want {
		t.Errorf("it prints\n%s", out.String())
	}
}

// Of a long story what clients did first is left out, and no fault is.
func TestPrintIsShort(t *testing.T) {
	s := invented()
	for i := range 200 {
		s.Lines = append(s.Lines, Line{At: sim.Time(i), Who: "c0", Sort: Client, Text: "reads"})
	}
	s.order()
	shown, dropped := s.fit()
	if len(shown) != linesMost || dropped != len(s.Lines)-linesMost || shown[len(shown)-1].Sort != Final {
		t.Errorf("%d lines, %d left out", len(shown), dropped)
	}
	faults := 0
	for _, l := range shown {
		if l.Sort == Fault {
			faults++
		}
	}
	if faults != 1 {
		t.Error("the fault is left out")
	}
}

// The page is one file: its picture is sound XML with a mark for each fault, and what the oracle says is text in it, whatever it holds.
func TestPage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.html")
	s := invented()
	s.Explain = []byte(`<html><body class="x">P</body></html>`)
	if err := s.Page(path, "again <now>"); err != nil {
		t.Fatal(err)
	}
	data, _ := os.ReadFile(path)
	page := string(data)
	svg := page[strings.Index(page, "<svg"):]
	svg = svg[:strings.Index(svg, "</svg>")+6]
	dots, bars := 0, map[string]int{}
	for dec := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err, svg)
		}
		if e, ok := token.(xml.StartElement); ok && len(e.Attr) > 0 {
			bars[e.Attr[0].Value]++
			if e.Name.Local == "circle" {
				dots++
			}
		}
	}
	if dots != 1 || bars["up"] != 2 || bars["give"] != 1 || bars["open"] != 1 || bars["read"] != 1 || bars["after"] != 1 || bars["fail"] != 1 {
		t.Errorf("the picture has %d faults and %v", dots, bars)
	}
	for _, want := range []string{"&lt;lost&gt; &amp; gone", "again &lt;now&gt;", "srcdoc=\"&lt;html&gt;&lt;body class=&#34;x&#34;&gt;P", "<i>1</i>power loss"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing", want)
		}
	}
	for _, not := range []string{"http://", "https://", "<lost>", "ZgotmplZ"} {
		if strings.Contains(page, not) {
			t.Errorf("%q is in the page", not)
		}
	}
}
