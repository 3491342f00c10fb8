package load

import (
	"testing"
	"time"

	"odradek/bench/cell"
	"odradek/bench/measure"
	"odradek/bench/target"
)

// runOn runs a cell against a fake broker, with a consumer if it is open.
func runOn(t *testing.T, o target.FakeOptions, cfg Config, during func(*target.Fake)) (*Result, *measure.Histogram) {
	t.Helper()
	f, err := target.NewFake(o)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range cfg.Cell.Partitions {
		cfg.Leaders = append(cfg.Leaders, f.Address())
	}
	cfg.Topic, cfg.Echoed = "t", o.Echo
	l, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	start := measure.Now() + int64(5*time.Millisecond)
	var consumer *Consumer
	if o.Keep {
		if consumer, err = Consume(cfg, start); err != nil {
			t.Fatal(err)
		}
	}
	if during != nil {
		go during(f)
	}
	r, err := l.Run(start)
	if err != nil {
		t.Fatal(err)
	}
	if consumer == nil {
		return r, nil
	}
	h, err := consumer.Finish(r.AllBatches, r.Places)
	if err != nil {
		t.Fatal(err)
	}
	return r, h
}

func ms(ns int64) float64 { return float64(ns) / 1e6 }

func percentile(t *testing.T, h *measure.Histogram, p float64) float64 {
	t.Helper()
	v, ok := h.Percentile(p)
	if !ok {
		t.Fatalf("%d values are too few for the %gth percentile", h.Count(), p)
	}
	return ms(v)
}

func open(change func(*cell.Cell)) Config {
	c := cell.Default()
	c.Rate, c.Partitions, c.Producers = 320_000, 2, 2 // 2000 batches of 160 records a second
	if change != nil {
		change(&c)
	}
	return Config{Cell: c, Warmup: 100 * time.Millisecond, Length: 2 * time.Second, Workers: 1, Seed: 1}
}

// A broker that stands still for 500 ms is seen as such by every slot that was due meanwhile, not by the few requests that were under way.
func TestStallShowsInFull(t *testing.T) {
	for _, mode := range []cell.Mode{cell.Broker, cell.Client} {
		t.Run(string(mode), func(t *testing.T) {
			cfg := open(func(c *cell.Cell) {
				if c.Mode = mode; mode == cell.Client {
					c.Rate, c.Linger = 50_000, time.Millisecond
				}
			})
			r, _ := runOn(t, target.FakeOptions{}, cfg, func(f *target.Fake) {
				time.Sleep(600 * time.Millisecond)
				f.Stall(500 * time.Millisecond)
			})
			want := int64(cfg.Cell.Rate * 2)
			if mode == cell.Broker {
				made, err := prepare(cfg.Cell, cfg.Seed, 0)
				if err != nil {
					t.Fatal(err)
				}
				want /= int64(made.batches[0].records)
			}
			if n := r.Due.Count(); n < want*99/100 || n > want*101/100 {
				t.Errorf("%d latencies for about %d slots: some are left out", n, want)
			}
			// A quarter of the slots were due in the stall, and waited 0 to 500 ms.
			if p := percentile(t, r.Due, 99.9); p < 450 {
				t.Errorf("p99.9 is %.1f ms: the stall of 500 ms is hidden", p)
			}
			if p := percentile(t, r.Due, 85); p < 100 {
				t.Errorf("p85 is %.1f ms: slots due in the stall were not counted from when they were due", p)
			}
			// What a generator that waits for answers would have seen: of each stalled connection a handful of requests.
			t.Logf("due: p50 %.3f p99 %.1f p99.9 %.1f ms; sent: p99 %.1f p99.9 %.1f ms", percentile(t, r.Due, 50), percentile(t, r.Due, 99),
				percentile(t, r.Due, 99.9), percentile(t, r.Sent, 99), percentile(t, r.Sent, 99.9))
		})
	}
}

// A broker that takes 10 ms longer moves the time from record to consumer by 10 ms.
func TestDelayMovesEndToEnd(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*cell.Cell)
	}{
		{"stamped", nil},
		{"compressed beforehand", func(c *cell.Cell) { c.Codec = "lz4" }},
		{"client", func(c *cell.Cell) {
			c.Mode, c.Rate, c.Linger, c.Codec = cell.Client, 5_000, 5*time.Millisecond, "zstd"
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := open(func(k *cell.Cell) {
				k.Rate, k.InFlight = 16_000, 64 // no queue forms behind 10 ms
				if c.change != nil {
					c.change(k)
				}
			})
			cfg.Length = time.Second
			r, plain := runOn(t, target.FakeOptions{Keep: true}, cfg, nil)
			_, delayed := runOn(t, target.FakeOptions{Keep: true, Delay: 10 * time.Millisecond}, cfg, nil)
			if n, want := plain.Count(), r.Due.Count(); n != want {
				t.Errorf("%d times end to end, %d of acknowledgements", n, want)
			}
			t.Logf("end to end p50: %.3f ms, with the delay %.3f ms", percentile(t, plain, 50), percentile(t, delayed, 50))
			if least := ms(delayed.Min()); least < 9.9 {
				t.Errorf("one came after %.2f ms: the clocks of stamp and consumer differ", least)
			}
			// The luckiest record shows the delay alone: on a machine without a processor to spare medians are the machine's.
			if moved := ms(delayed.Min()) - ms(plain.Min()); moved < 9 || moved > 19 {
				t.Errorf("10 ms of delay moved the least time by %.2f ms", moved)
			}
		})
	}
}

// What the generator itself can do. No claim on a busy machine: the figures are in the log.
func TestNullTarget(t *testing.T) {
	cfg := Config{Cell: cell.Default(), Warmup: 100 * time.Millisecond, Length: time.Second, Workers: 1, Seed: 1}
	cfg.Cell.Batch, cfg.Cell.Payload = 64<<10, "random"
	r, _ := runOn(t, target.FakeOptions{}, cfg, nil)
	t.Logf("one thread, no schedule: %.2f million records/s of 100 bytes", float64(r.Records)/r.Seconds()/1e6)
	if r.Records == 0 || r.Due.Count() == 0 {
		t.Fatal("nothing was sent")
	}
	cfg = open(func(c *cell.Cell) { c.Rate = 1e6 })
	cfg.Length = time.Second
	r, _ = runOn(t, target.FakeOptions{Echo: true}, cfg, nil)
	t.Logf("%.0f batches/s: sent late p50 %.1f p99 %.1f µs; acknowledgement taken in after p50 %.1f p99 %.1f µs", float64(r.Batches)/r.Seconds(),
		1000*percentile(t, r.Late, 50), 1000*percentile(t, r.Late, 99), 1000*percentile(t, r.Back, 50), 1000*percentile(t, r.Back, 99))
}
