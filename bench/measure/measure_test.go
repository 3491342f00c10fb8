package measure

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"pgregory.net/rapid"
)

// Merging what workers counted is the same as counting everything in one place, and so is writing it down and reading it again.
func TestHistogramMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(0, 2*longest), 1, 300).Draw(t, "values")
		workers := rapid.IntRange(1, 4).Draw(t, "workers")
		whole, parts := NewHistogram(), make([]*Histogram, workers)
		for i := range parts {
			parts[i] = NewHistogram()
		}
		for i, v := range values {
			whole.Record(v)
			parts[i%workers].Record(v)
		}
		merged := NewHistogram()
		merged.Merge(append(parts, nil)...)
		if !merged.h.Equals(whole.h) {
			t.Fatal("the merged histogram differs")
		}
		text, err := merged.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodeHistogram(text)
		if err != nil || !back.h.Equals(whole.h) {
			t.Fatalf("what was written down differs: %v", err)
		}
	})
}

func TestPercentileNeedsSamples(t *testing.T) {
	h := NewHistogram()
	for range 999 {
		h.Record(int64(time.Millisecond))
	}
	if _, ok := h.Percentile(99.9); ok {
		t.Error("p99.9 of 999 values is told: none lies beyond it")
	}
	h.Record(int64(time.Second))
	if v, ok := h.Percentile(99.9); !ok || v > int64(2*time.Millisecond) {
		t.Errorf("p99.9 is %d, %t", v, ok)
	}
	if h.Max() < int64(999*time.Millisecond) {
		t.Errorf("the greatest is %d", h.Max())
	}
}

func TestHistogramLog(t *testing.T) {
	h := NewHistogram()
	h.Record(5_000_000)
	var out bytes.Buffer
	l, err := NewLog(&out, "a test")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Write("cell:ack", h, time.Unix(100, 0), time.Second); err != nil {
		t.Fatal(err)
	}
	back, err := hdr.NewHistogramLogReader(bytes.NewReader(out.Bytes())).NextIntervalHistogram()
	if err != nil || back == nil {
		t.Fatalf("HdrHistogram's own reader: %v\n%s", err, out.String())
	}
	if back.Tag() != "cell:ack" || back.TotalCount() != 1 {
		t.Errorf("read back: tag %q, %d values", back.Tag(), back.TotalCount())
	}
}

// The interval holds the median; up to five values it is all of them; and it covers the true median about as often as it says.
func TestBootstrap(t *testing.T) {
	if i := Bootstrap([]float64{3, 1, 2}); i.Median != 2 || i.Low != 1 || i.High != 3 || i.Runs != 3 {
		t.Errorf("of 1, 2, 3: %+v", i)
	}
	if i := Bootstrap([]float64{math.NaN()}); i.Runs != 0 || !math.IsNaN(i.Median) {
		t.Errorf("of nothing: %+v", i)
	}
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 1, 20).Draw(t, "values")
		i := Bootstrap(values)
		if i.Low > i.Median || i.Median > i.High || i != Bootstrap(values) {
			t.Fatalf("%+v", i)
		}
	})
	rng := rand.New(rand.NewPCG(1, 2))
	covered := 0
	const trials = 200
	for range trials {
		values := make([]float64, 15)
		for j := range values {
			values[j] = rng.NormFloat64()
		}
		if i := Bootstrap(values); i.Low <= 0 && 0 <= i.High {
			covered++
		}
	}
	if covered < trials*88/100 {
		t.Errorf("%d of %d intervals of 15 values hold the true median", covered, trials)
	}
}

func TestProcessUsage(t *testing.T) {
	if cpu, err := parseStat("7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 12 30 0 0 20"); err != nil || cpu != 420*time.Millisecond {
		t.Errorf("12 + 30 ticks are %v, %v", cpu, err)
	}
	u, err := ProcessUsage(os.Getpid())
	if err != nil || u.Reads == 0 || u.Fsyncs != -1 {
		t.Errorf("%+v, %v", u, err)
	}
	if now, most := Memory(os.Getpid()); now < 1<<20 || most < now {
		t.Errorf("%d bytes resident, %d at most", now, most)
	}
}

func TestNow(t *testing.T) {
	if d := Now() - kernelMono(); d > int64(time.Second) || d < -int64(time.Second) {
		t.Errorf("the clock is %d ns from the kernel's", d)
	}
}

func TestCalibrate(t *testing.T) {
	m, err := Calibrate(t.TempDir())
	if err != nil || m.FsyncP50 <= 0 || m.FsyncP99 < m.FsyncP50 || m.WriteMBs <= 0 || m.LoopMBs <= 0 || m.MemoryGBs <= 0 {
		t.Errorf("%+v, %v", m, err)
	}
}

// What is told is what came through, over every connection.
func TestSendfile(t *testing.T) {
	begun := time.Now()
	mbs, err := Sendfile(t.TempDir(), 2, 1<<20, 200*time.Millisecond)
	if err != nil || mbs < 10 {
		t.Errorf("%.0f MB/s: %v", mbs, err)
	}
	if took := time.Since(begun); took < 200*time.Millisecond {
		t.Errorf("over after %v", took)
	}
}
