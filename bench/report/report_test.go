package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"odradek/bench/cell"
	"odradek/bench/measure"
	"odradek/bench/run"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// invented makes three runs of each cell with figures that depend on nothing but the cell and the run.
func invented(t *testing.T, cells []cell.Cell) []run.Record {
	t.Helper()
	var out []run.Record
	for i, c := range cells {
		for rep := range 3 {
			h := measure.NewHistogram()
			for k := range 2000 {
				h.Record(int64(time.Duration(k+1) * time.Duration(100+50*i+10*rep) * time.Nanosecond))
			}
			text, err := h.Encode()
			if err != nil {
				t.Fatal(err)
			}
			n := int64(1000 * (i + 1) * (rep + 10))
			r := run.Record{ID: c.ID(), Cell: c, Rep: rep, Begun: time.Unix(1_795_000_000, 0).UTC(), Seconds: 2, Records: n, Batches: n / 10, Values: n * 100,
				SinceRecords: n, SinceBatches: n / 10, SinceValues: n * 100, SinceWire: n * 110, Disk: n * 105, DiskOf: n, Memory: 50e6, Ran: 1000, Waited: 30,
				Usage:   &measure.Usage{CPU: time.Duration(n) * time.Microsecond, Reads: n, Writes: 2 * n, Fsyncs: n / 100},
				Machine: measure.Machine{FsyncP50: 150 * time.Microsecond, FsyncP99: 300 * time.Microsecond, WriteMBs: 400, LoopMBs: 3000, MemoryGBs: 10},
				Due:     text, Sent: text, Late: text}
			if c.Open() {
				r.EndToEnd = text
			}
			out = append(out, r)
		}
	}
	return out
}

func results(t *testing.T, cells []cell.Cell, records []run.Record) *Results {
	t.Helper()
	s, err := Summarize(cells, records)
	if err != nil {
		t.Fatal(err)
	}
	return &Results{Target: "a broker", Machine: Machine{CPUs: 2, CPU: "a processor", MemoryGB: "8 GB", Kernel: "6.1", FileSystem: "ext4", Go: "go1.26"},
		Plan: run.Plan{Target: "a broker", Warmup: time.Second, Length: 2 * time.Second, Seed: 1, Workers: 1}, Cells: s}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what it was; -rewrite writes it anew, and its difference belongs into the commit:\n%s", path, got)
	}
}

func TestGoldenFiles(t *testing.T) {
	cells := cell.Quick()[3:5]
	r := results(t, cells, append(invented(t, cells), run.Record{ID: cells[0].ID(), Cell: cells[0], Rep: 3, Error: "it broke"}))
	var out bytes.Buffer
	if err := r.CSV(&out); err != nil {
		t.Fatal(err)
	}
	golden(t, "results.csv", out.Bytes())
	out.Reset()
	if err := r.JSON(&out); err != nil {
		t.Fatal(err)
	}
	golden(t, "results.json", out.Bytes())
	out.Reset()
	if err := r.Table(&out); err != nil {
		t.Fatal(err)
	}
	golden(t, "table.txt", out.Bytes())
}

// Everything is written, the pictures are pictures, and the page shows each of them and names what failed.
func TestWrite(t *testing.T) {
	cells := cell.Sweep()
	records := invented(t, cells)
	records = append(records, run.Record{ID: cells[0].ID(), Cell: cells[0], Rep: 7, Error: "the broker <went> away"})
	dir := t.TempDir()
	r := results(t, cells, records)
	if _, err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range r.charts() {
		f, err := os.Open(filepath.Join(dir, c.Name+".png"))
		if err != nil {
			t.Fatal(err)
		}
		if p, err := png.DecodeConfig(f); err != nil || p.Width < 800 {
			t.Errorf("%s: %d pixels wide, %v", c.Name, p.Width, err)
		}
		f.Close()
		if svg, err := os.ReadFile(filepath.Join(dir, c.Name+".svg")); err != nil || !strings.Contains(string(svg), "<svg") {
			t.Errorf("%s.svg: %v", c.Name, err)
		}
		if !strings.Contains(string(page), c.Name+".svg") {
			t.Errorf("the page does not show %s", c.Name)
		}
		for _, s := range c.Series {
			if len(s.Points) == 0 {
				t.Errorf("%s: the sweep gives no point to %q", c.Name, s.Name)
			}
		}
	}
	for _, want := range []string{"the broker &lt;went&gt; away", "One thing changed", "how to repeat"} {
		if !strings.Contains(strings.ToLower(string(page)), strings.ToLower(want)) {
			t.Errorf("the page does not say %q", want)
		}
	}
	var back Results
	text, _ := os.ReadFile(filepath.Join(dir, "results.json"))
	if err := json.Unmarshal(text, &back); err != nil || len(back.Cells) != len(r.Cells) {
		t.Errorf("results.json: %d cells, %v", len(back.Cells), err)
	}
}

// A repetition that failed and was run again counts as run.
func TestFailureThatWasRepeated(t *testing.T) {
	cells := cell.Quick()[:1]
	good := invented(t, cells)
	failed := run.Record{ID: cells[0].ID(), Cell: cells[0], Rep: 1, Error: "once"}
	if r := results(t, cells, append([]run.Record{failed}, good...)); len(r.Cells[0].Errors) != 0 {
		t.Errorf("%v", r.Cells[0].Errors)
	}
	if r := results(t, cells, []run.Record{failed}); len(r.Cells) != 1 || len(r.Cells[0].Errors) != 1 {
		t.Error("a cell that only failed is not there")
	}
}

func TestDigits(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.00012: "1.2e-04", 0.0567: "0.0567", 1.234: "1.23", 56.78: "56.8", 999: "999", 1234567: "1\u202f234\u202f567"} {
		if got := Digits(v); got != want {
			t.Errorf("%v is printed %q, want %q", v, got, want)
		}
	}
}

func TestAgree(t *testing.T) {
	cells := cell.Quick()[:2]
	a := results(t, cells, invented(t, cells))
	var out bytes.Buffer
	if apart, all, err := Agree(&out, a.Cells, a.Cells); apart != 0 || all != 12 || err != nil {
		t.Errorf("a sweep and itself: %d of %d apart, %v", apart, all, err)
	}
	other := invented(t, cells)
	for i := range other {
		other[i].Values *= 3
	}
	if apart, _, _ := Agree(&out, a.Cells, results(t, cells, other).Cells); apart != 2 || strings.Count(out.String(), "\tthroughput\t") != 4 {
		t.Errorf("three times the throughput: %d apart\n%s", apart, out.String())
	}
}
