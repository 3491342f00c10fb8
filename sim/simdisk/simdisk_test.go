package simdisk

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"odradek/disk/vfs"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func draws(seed uint64) func(int) int { return rand.New(rand.NewPCG(seed, 7)).IntN }

func create(t *testing.T, fs *FS, path, text string) vfs.File {
	t.Helper()
	f, err := fs.Create(path)
	check(t, err)
	put(t, f, text, 0)
	return f
}

func put(t *testing.T, f vfs.File, text string, off int64) {
	t.Helper()
	_, err := f.WriteAt([][]byte{[]byte(text)}, off)
	check(t, err)
}

func read(d *Disk, path string) string {
	data, err := d.Data(path)
	if err != nil {
		return "gone"
	}
	return string(data)
}

// outcomes runs the same story under many power losses and returns what each left of path, counted.
func outcomes(t *testing.T, path string, story func(*FS)) map[string]int {
	t.Helper()
	got := map[string]int{}
	for seed := range uint64(400) {
		d := New()
		story(d.Mount())
		d.PowerLoss(draws(seed))
		got[read(d, path)]++
	}
	return got
}

func wantOutcomes(t *testing.T, got map[string]int, want ...string) {
	t.Helper()
	for _, w := range want {
		if got[w] == 0 {
			t.Errorf("%q never came up", w)
		}
		delete(got, w)
	}
	if len(got) > 0 {
		t.Errorf("these came up and must not: %v", got)
	}
}

func TestWhatIsSyncedSurvives(t *testing.T) {
	wantOutcomes(t, outcomes(t, "d/a", func(fs *FS) {
		check(t, fs.Mkdir("d"))
		f := create(t, fs, "d/a", "kept")
		check(t, f.SyncData())
		check(t, fs.SyncDir("d"))
		check(t, fs.SyncDir(""))
	}), "kept")
}

func TestWhatIsNotSyncedMayBeLostInPart(t *testing.T) {
	wantOutcomes(t, outcomes(t, "a", func(fs *FS) { // name, length and bytes each on their own
		create(t, fs, "a", "new")
	}), "gone", "", "\x00\x00\x00", "new")
	wantOutcomes(t, outcomes(t, "a", func(fs *FS) { // bytes synced, name not
		check(t, create(t, fs, "a", "new").SyncData())
	}), "gone", "new")
	wantOutcomes(t, outcomes(t, "a", func(fs *FS) { // name synced, bytes not
		create(t, fs, "a", "new")
		check(t, fs.SyncDir(""))
	}), "", "\x00\x00\x00", "new")
	wantOutcomes(t, outcomes(t, "a", func(fs *FS) { // a length that falls
		f := create(t, fs, "a", "abcdef")
		check(t, errors.Join(f.SyncData(), fs.SyncDir(""), f.Truncate(2)))
		put(t, f, "xy", 2)
	}), "abcdef", "ab", "ab\x00\x00", "abxy")
}

func TestRenames(t *testing.T) {
	story := func(sync bool) func(*FS) {
		return func(fs *FS) {
			check(t, errors.Join(create(t, fs, "a", "old").SyncData(), create(t, fs, "a.tmp", "new").SyncData(), fs.SyncDir("")))
			check(t, fs.Rename("a.tmp", "a"))
			if sync {
				check(t, fs.SyncDir(""))
			}
		}
	}
	wantOutcomes(t, outcomes(t, "a", story(true)), "new")
	wantOutcomes(t, outcomes(t, "a", story(false)), "old", "new")
	wantOutcomes(t, outcomes(t, "e/a", func(fs *FS) { // a directory takes what is in it along
		check(t, fs.Mkdir("d"))
		check(t, errors.Join(create(t, fs, "d/a", "in").SyncData(), fs.SyncDir("d"), fs.SyncDir(""), fs.Rename("d", "e"), fs.SyncDir("")))
	}), "in")
}

// A name given anew does not reach the platter before the rename that freed it: the old file is always somewhere.
func TestNamesInOrder(t *testing.T) {
	for seed := range uint64(200) {
		d := New()
		fs := d.Mount()
		check(t, errors.Join(create(t, fs, "a", "old").SyncData(), fs.SyncDir(""), fs.Rename("a", "b"), create(t, fs, "a", "new").SyncData()))
		d.PowerLoss(draws(seed))
		if read(d, "a") != "old" && read(d, "b") != "old" {
			t.Fatalf("a has %q and b %q", read(d, "a"), read(d, "b"))
		}
	}
}

// The removal of a directory never comes before the removals in it, and never without them.
func TestRemovals(t *testing.T) {
	for seed := range uint64(300) {
		d := New()
		fs := d.Mount()
		check(t, fs.Mkdir("d"))
		check(t, errors.Join(create(t, fs, "d/a", "a").SyncData(), fs.SyncDir("d"), fs.SyncDir("")))
		check(t, errors.Join(fs.Remove("d/a"), fs.Remove("d"), fs.Mkdir("d"), fs.SyncDir("")))
		d.PowerLoss(draws(seed))
		names, err := d.Mount().List("d")
		check(t, err)
		if len(names) > 0 {
			t.Fatalf("a new directory of the name holds %v", names)
		}
	}
}

func TestTornAtSectors(t *testing.T) {
	torn := false
	for seed := range uint64(300) {
		d := New()
		fs := d.Mount()
		f := create(t, fs, "a", strings.Repeat("o", 3*pageSize))
		check(t, errors.Join(f.SyncData(), fs.SyncDir("")))
		put(t, f, strings.Repeat("n", 2*pageSize), 100)
		d.PowerLoss(draws(seed))
		got := read(d, "a")
		changes := 0
		for i := 1; i < len(got); i++ {
			if got[i] != got[i-1] {
				if i%sectorSize != 0 && i != 100 && i != 100+2*pageSize {
					t.Fatalf("torn at %d, inside a sector", i)
				}
				changes++
			}
		}
		torn = torn || changes > 3
	}
	if !torn {
		t.Error("no write was ever torn inside a page")
	}
}

func TestProcessCrashKeepsThePageCache(t *testing.T) {
	d := New()
	fs := d.Mount()
	f := create(t, fs, "a", "cached")
	lock, err := fs.Lock(".lock")
	check(t, err)
	d.Crash()
	if _, err := f.WriteAt([][]byte{{1}}, 0); !errors.Is(err, vfs.ErrIO) {
		t.Errorf("a dead process writes: %v", err)
	}
	if _, err := fs.Open("a"); !errors.Is(err, vfs.ErrIO) {
		t.Errorf("a dead process opens: %v", err)
	}
	lock.Close()
	if read(d, "a") != "cached" {
		t.Errorf("after a crash the file has %q", read(d, "a"))
	}
	_, err = d.Mount().Lock(".lock")
	check(t, err)
	_, err = d.Mount().Lock(".lock")
	if !errors.Is(err, vfs.ErrLocked) {
		t.Errorf("second lock: %v", err)
	}
}

// After a failed fsync the bytes read as if all was well, a second fsync succeeds, and a power loss takes them.
func TestFailedSyncLoses(t *testing.T) {
	for seed := range uint64(50) {
		d := New()
		fs := d.Mount()
		f := create(t, fs, "a", "old")
		check(t, errors.Join(f.SyncData(), fs.SyncDir("")))
		put(t, f, "new", 0)
		d.FailSync("a")
		if err := f.SyncData(); !errors.Is(err, vfs.ErrIO) {
			t.Fatalf("fsync: %v", err)
		}
		check(t, f.SyncData())
		if read(d, "a") != "new" {
			t.Fatal("the page cache lost it at once")
		}
		d.PowerLoss(draws(seed))
		if read(d, "a") != "old" {
			t.Fatal("bytes of a failed fsync survived")
		}
	}
}

func TestWriteFaultsAndQuota(t *testing.T) {
	d := New()
	fs := d.Mount()
	f := create(t, fs, "a", "")
	d.FailWrite("a", 2)
	if n, err := f.WriteAt([][]byte{[]byte("abc")}, 0); n != 2 || !errors.Is(err, vfs.ErrIO) || read(d, "a") != "ab" {
		t.Errorf("short write: %d %v %q", n, err, read(d, "a"))
	}
	d.SetQuota(5)
	if n, err := f.WriteAt([][]byte{[]byte("cdef")}, 2); n != 3 || !errors.Is(err, vfs.ErrNoSpace) || read(d, "a") != "abcde" {
		t.Errorf("full disk: %d %v %q", n, err, read(d, "a"))
	}
	if free, _ := fs.Free(); free != 0 {
		t.Errorf("free %d", free)
	}
	d.SetQuota(-1)
	g := create(t, fs, "b", strings.Repeat("-", 1000))
	d.FailWrite("b", 700)
	if n, err := g.WriteAt([][]byte{bytes.Repeat([]byte("x"), 800)}, 100); n != 412 || !errors.Is(err, vfs.ErrIO) || read(d, "b") != strings.Repeat("-", 100)+strings.Repeat("x", 412)+strings.Repeat("-", 488) {
		t.Errorf("short write over what is there: %d %v", n, err)
	}
	check(t, d.Flip("a", 1, 0))
	if read(d, "a") != "accde" {
		t.Errorf("after the flip %q", read(d, "a"))
	}
}

func TestPowerOffAtAnyOperation(t *testing.T) {
	story := func(fs *FS) error {
		f, err := fs.Create("a")
		if err != nil {
			return err
		}
		if _, err := f.WriteAt([][]byte{[]byte("x")}, 0); err != nil {
			return err
		}
		return errors.Join(f.SyncData(), fs.SyncDir(""))
	}
	for at := 1; ; at++ {
		d := New()
		d.Before = func(op Op) error {
			if op.N == at {
				d.PowerLoss(draws(1))
			}
			return nil
		}
		err := story(d.Mount())
		if err == nil {
			if at != 5 || read(d, "a") != "x" {
				t.Errorf("%d operations, the file has %q", at-1, read(d, "a"))
			}
			return
		}
		if !errors.Is(err, vfs.ErrIO) {
			t.Errorf("operation %d: %v", at, err)
		}
	}
}

// The same seed draws the same story and the same outcome.
func TestDeterministic(t *testing.T) {
	run := func(seed uint64) string {
		rng := draws(seed)
		d := New()
		var log bytes.Buffer
		d.Before = func(op Op) error { fmt.Fprintln(&log, op); return nil }
		for range 3 {
			fs := d.Mount()
			for i := range 30 {
				name := fmt.Sprintf("f%d", rng(5))
				f, err := fs.Open(name)
				if err != nil {
					f, err = fs.Create(name)
				}
				check(t, err)
				put(t, f, strings.Repeat("abc"[i%3:i%3+1], rng(9000)), int64(rng(9000)))
				switch rng(4) {
				case 0:
					check(t, f.SyncData())
				case 1:
					check(t, fs.SyncDir(""))
				case 2:
					check(t, fs.Rename(name, fmt.Sprintf("f%d", rng(5))))
				}
			}
			d.PowerLoss(rng)
		}
		names, _ := d.Mount().List("")
		for _, name := range names {
			fmt.Fprintln(&log, name, read(d, name))
		}
		return log.String()
	}
	var all []string
	for seed := range uint64(10) {
		a, b := run(seed), run(seed)
		if a != b {
			t.Fatalf("seed %d has two outcomes", seed)
		}
		all = append(all, a)
	}
	slices.Sort(all)
	if len(slices.Compact(all)) < 5 {
		t.Error("different seeds have the same outcome")
	}
}

// What is stored through a mapping reads at once, and is old or new by sectors after a power loss; after a sync it is new.
func TestMappings(t *testing.T) {
	for _, synced := range []bool{false, true} {
		seen := map[[2]bool]bool{}
		for seed := range uint64(400) {
			d := New()
			f := create(t, d.Mount(), "a", strings.Repeat("o", 2*sectorSize))
			check(t, f.SyncData())
			check(t, d.Mount().SyncDir(""))
			m, err := f.Map(2 * sectorSize)
			check(t, err)
			m.Bytes()[7], m.Bytes()[sectorSize+7] = 'n', 'n'
			if got := read(d, "a"); got[7] != 'n' {
				t.Fatal("what is stored does not read")
			}
			if synced {
				check(t, f.SyncData())
			} else if d.Pending() != 1 {
				t.Fatalf("%d operations pending, want 1", d.Pending())
			}
			d.PowerLoss(draws(seed))
			m.Bytes()[9] = 'x' // the process is dead
			got := read(d, "a")
			if got[9] != 'o' || len(got) != 2*sectorSize {
				t.Fatalf("a dead process stored %q", got)
			}
			seen[[2]bool{got[7] == 'n', got[sectorSize+7] == 'n'}] = true
		}
		if want := map[bool]int{false: 4, true: 1}[synced]; len(seen) != want {
			t.Fatalf("synced %v: %d outcomes %v, want %d", synced, len(seen), seen, want)
		}
	}
}

// A process crash keeps what was stored; a cut and a write beside a mapping keep both in step; a mapped file does not grow.
func TestMappingsAndFileCalls(t *testing.T) {
	d := New()
	f := create(t, d.Mount(), "a", "0123456789")
	m, err := f.Map(10)
	check(t, err)
	m.Bytes()[2] = 'm'
	put(t, f, "w", 3)
	if got := string(m.Bytes()); got != "01mw456789" {
		t.Fatalf("the memory reads %q", got)
	}
	if _, err := f.WriteAt([][]byte{[]byte("long")}, 8); !errors.Is(err, vfs.ErrIO) {
		t.Fatalf("a mapped file grew: %v", err)
	}
	check(t, f.Truncate(5))
	m.Bytes()[0] = 'm'
	d.Crash()
	m.Bytes()[1] = 'x'
	if got := read(d, "a"); got != "m1mw4" {
		t.Fatalf("after the crash %q", got)
	}
	check(t, m.Unmap())
	if err := m.Unmap(); !errors.Is(err, vfs.ErrIO) {
		t.Fatalf("unmapped twice: %v", err)
	}
}

// SyncAll carries over what SyncData and SyncDir of everything would, what was stored through mappings included; a failed one carries nothing and calls it clean.
func TestSyncAll(t *testing.T) {
	for _, fails := range []bool{false, true} {
		d := New()
		fs := d.Mount()
		if err := fs.Mkdir("d"); err != nil {
			t.Fatal(err)
		}
		f := create(t, fs, "d/old", "text")
		if err := fs.Rename("d/old", "d/new"); err != nil {
			t.Fatal(err)
		}
		m, err := f.Map(4)
		if err != nil {
			t.Fatal(err)
		}
		copy(m.Bytes(), "TE")
		if fails {
			d.FailSync("")
		}
		if err := fs.SyncAll(); (err != nil) != fails {
			t.Fatalf("SyncAll: %v", err)
		}
		if n := d.Pending(); n != 0 {
			t.Fatalf("%d changes are pending", n)
		}
		d.PowerLoss(func(int) int { return 0 })
		data, ok := d.DurableData("d/new")
		if ok == fails || ok && string(data) != "TExt" {
			t.Fatalf("failing %t: %q %t", fails, data, ok)
		}
	}
}
