// Command figures measures a built odradek: a process on a directory of the disk in question, and raw connections that send the same encoded request
// again and again, so that the load costs as little as it can.
//
//	go build -o /tmp/odradek ../.. && go run ./cmd/figures -binary /tmp/odradek -dir /var/tmp
//
// Each repetition starts a durable and a relaxed node on empty directories and runs every cell once, so that repetitions interleave. Printed is the
// median with the least and the most. Load and node share the machine.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

var relaxedSet = []string{"log.flush.interval.messages=10000"}

func main() {
	binary := flag.String("binary", os.Getenv("ODRADEK"), "odradek to measure; $ODRADEK")
	dir := flag.String("dir", os.TempDir(), "directory on the disk to measure on")
	reps := flag.Int("reps", 3, "repetitions")
	length := flag.Duration("length", 1500*time.Millisecond, "of one cell, after its warm-up")
	restarts := flag.Bool("restarts", false, "measure restarts with 1000 partitions and 5 GB, nothing else; about two minutes and 12 GB")
	profiles := flag.String("profiles", "", "directory for a CPU profile of each cell; profiling slows the cell down")
	hostile := flag.Bool("hostile", false, "measure one client alone and among idle and hostile connections, nothing else; -reps is the number of rounds, -length of a phase")
	var s siege
	flag.IntVar(&s.idle, "idle", 10_000, "idle connections, for -hostile")
	flag.IntVar(&s.enemies, "enemies", 100, "hostile connections, for -hostile")
	flag.StringVar(&s.only, "only", "", "one kind of hostile connection, for -hostile: as bombs")
	flag.DurationVar(&s.pause, "pause", 100*time.Millisecond, "pause of a hostile connection between two acts, for -hostile")
	flag.Parse()
	if *binary == "" {
		fmt.Fprintln(os.Stderr, "figures: -binary is missing: build one with go build -o odradek .")
		os.Exit(2)
	}
	f := &figures{binary: *binary, dir: *dir, length: *length, profiles: *profiles, samples: map[string][]float64{}}
	begun := time.Now()
	var err error
	switch {
	case *restarts:
		err = f.restarts(*reps)
	case *hostile:
		err = f.hostile(s, *reps)
	default:
		err = f.all(*reps)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
	f.print()
	fmt.Printf("\n%s, %d CPUs, %d repetitions, %v in all\n", runtime.Version(), runtime.NumCPU(), *reps, time.Since(begun).Round(time.Second))
}

// all runs every cell, and then the starts.
func (f *figures) all(reps int) error {
	for i := range reps {
		if err := f.repetition(i); err != nil {
			return err
		}
	}
	return f.starts()
}

// figures collects samples by name, in the order in which names come up.
type figures struct {
	binary, dir string
	profiles    string
	length      time.Duration
	names       []string
	samples     map[string][]float64
}

func (f *figures) add(name string, value float64) {
	if _, ok := f.samples[name]; !ok {
		f.names = append(f.names, name)
	}
	f.samples[name] = append(f.samples[name], value)
}

func (f *figures) print() {
	fmt.Println("| figure | median | least | most |")
	fmt.Println("|---|---|---|---|")
	for _, name := range f.names {
		s := f.samples[name]
		slices.Sort(s)
		fmt.Printf("| %s | %s | %s | %s |\n", name, number(s[len(s)/2]), number(s[0]), number(s[len(s)-1]))
	}
}

func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// repetition runs every cell once, durable and relaxed by turns first.
func (f *figures) repetition(i int) error {
	kinds := []struct {
		name string
		set  []string
	}{{"durable", nil}, {"relaxed", relaxedSet}}
	if i%2 == 1 {
		slices.Reverse(kinds)
	}
	for _, k := range kinds {
		if err := f.device(); err != nil {
			return err
		}
		n, err := newNode(f.dir, k.set...)
		if err == nil {
			err = n.start(f.binary)
		}
		if err == nil {
			err = f.node(n, k.name)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s", n.log.String())
		}
		n.remove()
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	return nil
}

// node runs all cells on one node.
func (f *figures) node(n *node, kind string) error {
	time.Sleep(500 * time.Millisecond)
	f.add("resident when idle, MB", n.resident())
	for i, c := range cells {
		topic := fmt.Sprintf("cell-%d", i)
		if c.depth > 1 {
			perGB, err := pageCache(f.dir, 2*cellBytesMax)
			if err != nil {
				return err
			}
			f.add("the machine, 1 MB appends without sync: CPU-s per GB", perGB)
		}
		profiled := f.profile(n, fmt.Sprintf("produce-%s-%d", kind, i))
		r, err := produce(n, c, topic, f.length)
		profiled()
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		f.addProduce("produce, "+kind+", "+c.name, c, r)
		if kind == "relaxed" && c.depth > 1 {
			profiled := f.profile(n, fmt.Sprintf("fetch-%d", i))
			r, err = fetch(n, topic, c.parts, f.length)
			profiled()
			if err != nil {
				return fmt.Errorf("fetch of %s: %w", c.name, err)
			}
			f.addFetch("fetch of "+c.name, r)
		}
	}
	f.add("resident after load, "+kind+", MB", n.resident())
	if f.profiles != "" {
		if allocs, err := n.get("/debug/pprof/allocs"); err == nil {
			_ = os.WriteFile(filepath.Join(f.profiles, "allocs-"+kind+".pprof"), []byte(allocs), 0o644)
		}
	}
	return n.stop()
}

// profile begins a CPU profile, if asked for, and returns what waits for its end.
func (f *figures) profile(n *node, name string) (wait func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if f.profiles == "" {
			return
		}
		text, err := n.get("/debug/pprof/profile?seconds=1")
		if err == nil {
			err = os.WriteFile(filepath.Join(f.profiles, name+".pprof"), []byte(text), 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "figures: profile:", err)
		}
	}()
	return func() { <-done }
}

func (f *figures) addProduce(name string, c cell, r *result) {
	seconds := r.elapsed.Seconds()
	if c.depth > 1 {
		f.add(name+": MB/s", float64(r.bytes)/1e6/seconds)
		f.add(name+": records/s", float64(r.bytes)/recordBytes/seconds)
		f.add(name+": CPU-s per GB", r.used.cpu.Seconds()/(float64(r.bytes)/1e9))
	} else {
		f.add(name+": requests/s", float64(r.requests)/seconds)
		f.add(name+": CPU-µs per request", float64(r.used.cpu.Microseconds())/float64(r.requests))
	}
	f.add(name+": p50 µs", micros(quantile(r.took, 0.50)))
	f.add(name+": p99 µs", micros(quantile(r.took, 0.99)))
	f.add(name+": allocations per request", float64(r.used.mallocs)/float64(r.requests))
	f.add(name+": bytes allocated per request", float64(r.used.alloced)/float64(r.requests))
	f.add(name+": fsyncs per 1000 requests", 1000*float64(r.used.fsyncs)/float64(r.requests))
}

func (f *figures) addFetch(name string, r *result) {
	f.add(name+": MB/s", float64(r.bytes)/1e6/r.elapsed.Seconds())
	f.add(name+": CPU-s per GB", r.used.cpu.Seconds()/(float64(r.bytes)/1e9))
	f.add(name+": allocations per request", float64(r.used.mallocs)/float64(r.requests))
	f.add(name+": bytes allocated per request", float64(r.used.alloced)/float64(r.requests))
}

func (f *figures) device() error {
	took, err := device(f.dir, 500)
	if err != nil {
		return err
	}
	f.add("the device, 4 KB append: fdatasync p50 µs", micros(quantile(took, 0.50)))
	f.add("the device, 4 KB append: fdatasync p99 µs", micros(quantile(took, 0.99)))
	return nil
}

// starts times ten starts on an empty directory and ten on one that holds a topic.
func (f *figures) starts() error {
	kept, err := newNode(f.dir)
	if err != nil {
		return err
	}
	defer kept.remove()
	for i := range 10 {
		n, err := newNode(f.dir)
		if err != nil {
			return err
		}
		took, err := firstAck(n, f.binary, "first", true)
		n.remove()
		if err != nil {
			return err
		}
		f.add("exec to first acknowledgement, empty directory, topic created: ms", micros(took)/1000)
		if took, err = firstAck(kept, f.binary, "first", i == 0); err == nil {
			err = kept.stop()
		}
		if err != nil {
			return err
		}
		if i > 0 {
			f.add("exec to first acknowledgement, known topic: ms", micros(took)/1000)
		}
	}
	return nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
