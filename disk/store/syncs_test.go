package store

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"odradek/disk/vfs"
	"odradek/disk/vfs/osfs"
)

// BenchmarkRound compares what a sync round over so many files may do: an fdatasync of each, as many at a time as a round makes, or one syncfs. Each file got
// another 4 KiB before. Beside, pages may be dirty that the round does not ask for and syncfs writes out as well: two indexes of each file, or 64 MiB of a
// relaxed topic.
func BenchmarkRound(b *testing.B) {
	for _, beside := range []string{"nothing", "indexes", "64MiB"} {
		for _, count := range []int{1, 8, 16, 32, 64, 256, 1000} {
			for _, all := range []bool{false, true} {
				b.Run(fmt.Sprintf("beside=%s/files=%d/all=%t", beside, count, all), func(b *testing.B) { benchmarkRound(b, beside, count, all) })
			}
		}
	}
}

func benchmarkRound(b *testing.B, beside string, count int, all bool) {
	fs := osfs.New(b.TempDir())
	if all && !fs.SyncsAll() {
		b.Skip("syncfs cannot be trusted here")
	}
	var files []vfs.File // first those of the round, then twice as many beside
	for i := range 3 * count {
		f, err := fs.Create(fmt.Sprint(i))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	put := func(f vfs.File, bytes, off int) {
		if _, err := f.WriteAt([][]byte{make([]byte, bytes)}, int64(off)); err != nil {
			b.Fatal(err)
		}
	}
	var worst time.Duration
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		for i, f := range files {
			switch {
			case i < count:
				put(f, 4096, n*4096)
			case beside == "indexes":
				put(f, 8, n*8)
			case beside == "64MiB" && i == count:
				for mib := range 64 {
					put(f, 1<<20, mib<<20)
				}
			}
		}
		b.StartTimer()
		start := time.Now()
		if all {
			if err := fs.SyncAll(); err != nil {
				b.Fatal(err)
			}
		} else {
			syncEach(files[:count])
		}
		worst = max(worst, time.Since(start))
	}
	b.ReportMetric(float64(worst.Microseconds()), "worst-µs")
}

// syncEach is runSteps without a round.
func syncEach(files []vfs.File) {
	var wg sync.WaitGroup
	workers := min(len(files), syncersMax)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(files); i += workers {
				_ = files[i].SyncData()
			}
		})
	}
	wg.Wait()
}
