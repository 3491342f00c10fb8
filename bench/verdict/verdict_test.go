package verdict

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"odradek/bench/measure"
	"odradek/bench/race"
	"odradek/bench/report"
)

var rewrite = flag.Bool("rewrite", false, "write the golden file anew")

var machine = measure.Machine{FsyncP50: 150 * time.Microsecond, FsyncP99: 300 * time.Microsecond, WriteMBs: 400, LoopMBs: 3000, MemoryGBs: 10}

// invented are three rounds of a few cells in which every kind of answer comes up.
func invented() []race.Record {
	var out []race.Record
	add := func(cell string, e race.Entrant, values ...race.Values) {
		for round, v := range values {
			v["fdatasync_p50"], v["fdatasync_p99"] = 0.15, 0.3
			out = append(out, race.Record{Cell: cell, Entrant: e.String(), Round: round, Machine: machine, Values: v})
		}
	}
	for i, e := range []race.Entrant{race.Durable, race.KafkaFlushed, race.Relaxed, race.KafkaDefault} {
		slower := []float64{1, 40, 0.8, 4}[i]
		unbatched := []float64{5000, 400, 9000, 8000}[i] // relaxed: less than asked
		one := func(f float64) race.Values {
			return race.Values{"records_rate": 400e3 / slower * f, "cpu_per_gb": 2 * slower, "ack_p99": 3 * slower}
		}
		add("produce/16Kx1KB", e, one(1), one(1.1), one(0.9))
		two := func(f float64) race.Values {
			return race.Values{"batches_rate": unbatched * f, "cpu_per_record": 10, "ack_p99": 5}
		}
		add("unbatched/64", e, two(1), two(1.2), two(0.8))
		if e.Flushed {
			add("synchronous/p1", e, race.Values{"batches_rate": unbatched, "ack_p99": 0.6 * slower, "ack_p50": slower})
		}
	}
	for i, codec := range []string{"none", "zstd"} {
		for j, e := range []race.Entrant{race.Relaxed, race.KafkaDefault} {
			add("codec/16K/"+codec, e, race.Values{"records_rate": []float64{300e3, 100e3 * float64(1+3*i)}[j], "cpu_per_gb": 2 + float64(j)})
		}
	}
	add("catchup/1M", race.Relaxed, race.Values{"copied_small": 1, "read": 4000, "read_cpu_per_gb": 0.3})
	add("catchup/1M", race.KafkaDefault, race.Values{"read": 3000, "read_cpu_per_gb": 0.4})
	add("start", race.Durable, race.Values{"start": 12, "start_formatted": 12})
	out = append(out, race.Record{Cell: "start", Entrant: race.KafkaDefault.String(), Error: "it does not start\nbecause | of this"})
	for _, e := range []race.Entrant{race.Relaxed, race.KafkaDefault} {
		out = append(out, race.Record{Cell: "tool/consumer-perf", Entrant: e.String(), Unable: "no groups"})
	}
	return out
}

func row(t *testing.T, c *Comparison, cell, metric, ours, theirs string) Row {
	t.Helper()
	for _, r := range c.Rows {
		if r.Cell == cell && r.Metric == metric && r.Ours == ours && r.Theirs == theirs {
			return r
		}
	}
	t.Fatalf("no answer for %s, %s, %s, %s", cell, metric, ours, theirs)
	return Row{}
}

// A ratio is how many times better ours is, of each round; figures of the device are divided by; what Kafka does better is said.
func TestJudge(t *testing.T) {
	c := Judge(race.Cells(), invented())
	if r := row(t, c, "produce/16Kx1KB", "records_rate", "odradek relaxed", "kafka"); r.Ratio.Median < 4.99 || r.Ratio.Median > 5.01 || r.Ratio.Runs != 3 || !*r.Met {
		t.Errorf("records: %+v", r)
	}
	if r := row(t, c, "produce/16Kx1KB", "cpu_per_gb", "odradek durable", "kafka flush.messages=1"); r.Ratio.Median != 40 || !*r.Met {
		t.Errorf("less is better: %+v", r)
	}
	if r := row(t, c, "unbatched/64", "batches_rate", "odradek relaxed", "kafka"); *r.Met || r.verdict() != "**missed**" {
		t.Errorf("missed: %+v", r)
	}
	if r := row(t, c, "unbatched/64", "batches_rate", "odradek durable", "kafka"); r.verdict() != "**kafka is better**" {
		t.Errorf("Kafka is faster: %q", r.verdict())
	}
	if r := row(t, c, "synchronous/p1", "ack_p99", "odradek durable", "fdatasync_p99"); r.Ratio.Median != 2 || !*r.Met || r.want() != "≤ 2.50 × fdatasync_p99" {
		t.Errorf("against the device: %+v %s", r, r.want())
	}
	if r := row(t, c, "start", "start", "odradek durable", ""); r.Ratio.Median != 12 || !*r.Met {
		t.Errorf("by itself: %+v", r)
	}
	if r := row(t, c, "start", "start", "odradek durable", "kafka"); r.Met != nil || r.verdict() != "no figure: kafka: it does not start" {
		t.Errorf("failed: %+v %s", r, r.verdict())
	}
	if r := row(t, c, "tool/consumer-perf", "records_rate", "odradek relaxed", "kafka"); r.verdict() != "not run: no groups" {
		t.Errorf("not to be had: %s", r.verdict())
	}
	if tally := c.tally(); !strings.Contains(tally, "; not run: tool/consumer-perf (no groups)") {
		t.Errorf("what was not run is not told: %s", tally)
	}
}

// A run that failed and was run again counts once, as what it gave.
func TestAgain(t *testing.T) {
	records := []race.Record{{Cell: "start", Entrant: "odradek durable", Error: "at first"}, {Cell: "start", Entrant: "odradek durable", Values: race.Values{"start": 30}}}
	c := Judge(race.Cells(), records)
	if r := row(t, c, "start", "start", "odradek durable", ""); len(r.Errors) != 0 || *r.Met || r.OurValue.Runs != 1 {
		t.Errorf("%+v", r)
	}
}

// sources are prose, a profile and a table of others, as people and programs leave them.
func sources(t *testing.T) Sources {
	t.Helper()
	s := Sources{Limits: t.TempDir(), Profiles: t.TempDir(), JetStream: filepath.Join(t.TempDir(), "jetstream.md"), Pictures: "bench/"}
	missed := race.Suspect{Cell: "unbatched/64", Entrant: "odradek relaxed"}
	for path, text := range map[string]string{filepath.Join(s.Limits, "3.md"): "By hand: what limits the third.\n", filepath.Join(s.Limits, "9.md"): "Not of a section that is here.\n",
		filepath.Join(s.Profiles, missed.FileName()+".md"): "system calls 55 %\n\n| more |\n", s.JetStream: "### NATS JetStream\n"} { // any order: files of their own
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// What was asked and missed is to be profiled, once for each cell and mode; what was met is not, nor what is only told.
func TestMissed(t *testing.T) {
	got := fmt.Sprint(Judge(race.Cells(), invented()).Missed())
	for _, want := range []string{"{unbatched/64 odradek relaxed}", "{synchronous/p1 odradek durable}", "{codec/16K/zstd odradek relaxed}"} {
		if strings.Count(got, want) != 1 {
			t.Errorf("%s is not once in %s", want, got)
		}
	}
	for _, no := range []string{"unbatched/64 odradek durable", "produce/16Kx1KB", "start", "codec/16K/none"} {
		if strings.Contains(got, no) {
			t.Errorf("%s is in %s", no, got)
		}
	}
	alone := Judge(race.Cells(), slices.DeleteFunc(invented(), func(r race.Record) bool { return strings.HasPrefix(r.Entrant, "kafka") }))
	if got := fmt.Sprint(alone.Missed()); !strings.Contains(got, "{produce/16Kx1KB odradek durable}") {
		t.Errorf("without the other side all are to be profiled, not %s", got)
	}
}

// Figures that nothing is asked about stand with the aim that asks about their kind; cells of no aim in sections of their own.
func TestSections(t *testing.T) {
	c := Judge(race.Cells(), invented())
	want := map[string]string{"produce/16Kx1KB cpu_per_gb kafka": "2", "produce/16Kx1KB ack_p99 kafka": "1", "unbatched/64 ack_p99 kafka": "3", "codec/16K/none cpu_per_gb kafka": "8",
		"start start_formatted kafka": "6", "tool/consumer-perf records_rate kafka": "tool", "catchup/1M copied_small ": "7", "catchup/1M read_cpu_per_gb kafka": "2", "synchronous/p1 ack_p50 kafka flush.messages=1": "5"}
	rows, found := 0, 0
	for _, s := range c.sections() {
		for _, r := range s.rows {
			rows++
			key := r.Cell + " " + r.Metric + " " + r.Theirs
			if want[key] != "" {
				found++
			}
			if want[key] != "" && want[key] != s.key {
				t.Errorf("%s stands in section %s, not %s", key, s.key, want[key])
			}
		}
	}
	if found < len(want) {
		t.Errorf("%d of %d answers are there", found, len(want))
	}
	if rows != len(c.Rows) {
		t.Errorf("%d of %d answers stand in sections", rows, len(c.Rows))
	}
}

// The files can be read again, and the table is the same as ever.
func TestWrite(t *testing.T) {
	c := Judge(race.Cells(), invented())
	c.Machine = report.Machine{CPUs: 2, CPU: "a processor", MemoryGB: "8 GB", Kernel: "6.1", FileSystem: "ext4", Go: "go1.26", Revision: "abc"}
	c.Plan, c.Command = race.Plan{Kafka: "4.3.1", JVM: "-Xmx1G", Length: time.Second, Warm: time.Minute}, "go run ./bench compare"
	dir := t.TempDir()
	c.From = sources(t)
	names, err := c.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"compare.json", "compare.md", "race-1.svg", "race-1.png", "race-rates.svg", "race-cpu.svg", "race-3.svg", "race-codecs.svg", "race-synchronous-1.svg"} {
		if !slices.Contains(names, filepath.Join(dir, name)) {
			t.Errorf("no %s among %q", name, names)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "compare.json"))
	if err != nil {
		t.Fatal(err)
	}
	var again Comparison
	if err := json.Unmarshal(text, &again); err != nil || len(again.Rows) != len(c.Rows) || len(again.Runs) != len(c.Runs) {
		t.Errorf("compare.json: %v", err)
	}
	if judged, err := Read(race.Cells(), text); err != nil || judged.tally() != c.tally() || judged.Plan != c.Plan {
		t.Errorf("compare.json is judged otherwise when it is read: %v", err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "compare.md"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "compare.md")
	if *rewrite {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("compare.md has changed (%v); go test ./bench/verdict -rewrite, and look at the difference", err)
	}
}
