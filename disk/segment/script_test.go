package segment

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/internal/golden"
	"odradek/sim/simdisk"
)

// TestScripts runs testdata/*.txt: after each command its file operations (but for reads) and events.
func TestScripts(t *testing.T) {
	golden.Run(t, "testdata/*.txt", func(_ *testing.T, out *strings.Builder) func(string) {
		s := newScript()
		s.out = out
		return s.command
	})
}

type script struct {
	disk  *simdisk.Disk
	dir   *Dir
	round *Round
	out   *strings.Builder
	end   map[string]record.Offset // log ends, as the core would assign them
	gen   map[string]stream.Generation
	seq   int32
}

func newScript() *script {
	s := &script{disk: simdisk.New(), end: map[string]record.Offset{}, gen: map[string]stream.Generation{}}
	s.disk.Before = func(op simdisk.Op) error {
		switch op.Kind {
		case simdisk.OpRead, simdisk.OpSize, simdisk.OpList:
		case simdisk.OpWrite:
			fmt.Fprintf(s.out, "  write %s @%d+%d\n", op.Path, op.Off, op.Len)
		case simdisk.OpTruncate, simdisk.OpMap:
			fmt.Fprintf(s.out, "  %s %s %d\n", op.Kind, op.Path, op.Off)
		case simdisk.OpRename:
			fmt.Fprintf(s.out, "  rename %s -> %s\n", op.Path, op.To)
		default:
			fmt.Fprintf(s.out, "  %s %s\n", op.Kind, op.Path)
		}
		return nil
	}
	s.dir = openDir(s.disk.Mount())
	return s
}

func (s *script) events(evs []core.Event) {
	for i := range evs {
		fmt.Fprintln(s.out, printEvent(&evs[i]))
	}
}

// number reads name=value of a command's words.
func number(words []string, name string, or int64) int64 {
	for _, w := range words {
		if v, ok := strings.CutPrefix(w, name+"="); ok {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				panic(err)
			}
			return n
		}
	}
	return or
}

func (s *script) command(line string) {
	word, rest, _ := strings.Cut(line, " ")
	words := strings.Fields(rest)
	switch word {
	case "write":
		var ops []core.DiskOp
		for _, op := range strings.Split(rest, ";") {
			ops = append(ops, s.op(strings.Fields(op)))
		}
		done, evs := s.dir.Write(ops, nil)
		s.events(evs)
		if done < len(ops) {
			fmt.Fprintf(s.out, "%d of %d done\n", done, len(ops))
		}
	case "begin":
		if s.round = s.dir.BeginSync(); s.round == nil {
			fmt.Fprintln(s.out, "nothing to do")
		}
	case "run":
		s.round.Run()
	case "end":
		s.events(s.dir.EndSync(s.round, nil))
	case "sync":
		s.events(s.dir.syncAll())
	case "wantall":
		s.dir.WantAll()
	case "store":
		if ev, ok := s.dir.Store(core.Store{Slot: core.Slot{Name: words[0]}, Version: 1, Bytes: []byte(words[1])}); ok {
			s.events([]core.Event{ev})
		}
	case "crash", "power":
		if word == "crash" {
			s.disk.Crash()
		} else {
			s.disk.PowerLoss(func(int) int { return 0 }) // keeps nothing
		}
		s.dir = openDir(s.disk.Mount())
	case "recover":
		all, err := recoverAll(s.dir)
		for _, o := range all {
			fmt.Fprintln(s.out, printOpened(o))
		}
		if err != nil {
			fmt.Fprintln(s.out, "error:", err)
		}
		for _, name := range []string{"a", "b", "c"} {
			v, _ := s.dir.View(sid(name))
			s.end[name] = v.Next()
		}
	case "changes":
		for _, c := range s.dir.TakeChanges(nil) {
			fmt.Fprintf(s.out, "%c/%d gone=%v maps=%d\n", c.Stream.Topic[15], c.Base, c.Gone, len(c.Maps))
		}
	default:
		s.outside(word, words)
	}
}

// outside are commands that look at the disk or change it behind the Dir's back, and readers' commands.
func (s *script) outside(word string, words []string) {
	switch word {
	case "index":
		s.printIndexes()
	case "sealabove": // sealabove n: until the next crash
		s.dir.options.SealAbove, _ = strconv.ParseInt(words[0], 10, 64)
	case "close":
		if err := s.dir.CloseFiles(); err != nil {
			fmt.Fprintln(s.out, err)
		}
	case "failsync":
		s.disk.FailSync(words[0])
	case "failwrite":
		s.disk.FailWrite(words[0], number(words, "keep", 0))
	case "rm":
		if err := s.disk.Mount().Remove(words[0]); err != nil {
			fmt.Fprintln(s.out, err)
		}
	case "flip":
		if err := s.disk.Flip(words[0], number(words, "at", 0), 0); err != nil {
			fmt.Fprintln(s.out, err)
		}
	case "raw": // raw path text: a file from nowhere
		before := s.disk.Before
		s.disk.Before = nil
		fs := s.disk.Mount()
		if dir, _, ok := strings.Cut(words[0], "/"); ok {
			fs.Mkdir(dir)
		}
		f, err := fs.Create(words[0])
		if err == nil {
			_, err = f.WriteAt([][]byte{[]byte(strings.Join(words[1:], " "))}, 0)
		}
		if err != nil {
			fmt.Fprintln(s.out, err)
		}
		s.disk.Before = before
	case "locate":
		v, _ := s.dir.View(sid(words[0]))
		q := core.LocatePartition{
			Stream: sid(words[0]), From: record.Offset(number(words, "from", 0)), Limit: record.Offset(number(words, "limit", 1<<40)),
			MaxBytes: int32(number(words, "max", 1<<30)),
		}
		if ts := number(words, "time", -1); ts >= 0 {
			q.ByTime, q.Timestamp = true, record.UnixMillis(ts)
		}
		got := v.Locate(q, number(words, "budget", 1<<30), number(words, "whole", 1) == 1, xorCodec{})
		for _, x := range got.Extents {
			fmt.Fprintf(s.out, "%d@%d+%d ", x.Base, x.Pos, x.Len)
		}
		fmt.Fprintf(s.out, "err=%s", got.Err)
		if q.ByTime {
			fmt.Fprintf(s.out, " offset=%d time=%d epoch=%d", got.Offset, got.Timestamp, got.Epoch)
		}
		fmt.Fprintln(s.out)
	case "load":
		v, _ := s.dir.View(sid(words[0]))
		got := v.Load(record.Offset(number(words, "from", 0)), number(words, "max", 1<<16))
		fmt.Fprintf(s.out, "%d bytes err=%s\n", len(got.Bytes), got.Err)
	default:
		fmt.Fprintln(s.out, "unknown command", word)
	}
}

// printIndexes prints the index files of stream a, in order, without the zeros set aside.
func (s *script) printIndexes() {
	before := s.disk.Before
	s.disk.Before = nil
	defer func() { s.disk.Before = before }()
	names, _ := s.disk.Mount().List(testFolder)
	for _, name := range names {
		digits, suffix, _ := strings.Cut(name, ".")
		base, _ := strconv.ParseInt(digits, 10, 64)
		if suffix != "index" && suffix != "timeindex" {
			continue
		}
		data, _ := s.disk.Data(testFolder + "/" + name)
		x := index{base: record.Offset(base)}
		fmt.Fprintf(s.out, "%d.%s %d bytes:", base, suffix, len(data))
		if x.offsets = withoutRoom(data, offsetEntry); suffix == "index" {
			for i := range x.count() {
				last, pos := x.entry(i)
				fmt.Fprintf(s.out, " %d@%d", last, pos)
			}
		} else {
			x.times = withoutRoom(data, timeEntry)
			for i := range len(x.times) / timeEntry {
				ts, at := x.timeEntry(i)
				fmt.Fprintf(s.out, " %d=%d", ts, at)
			}
		}
		fmt.Fprintln(s.out)
	}
}

// withoutRoom cuts the zeros that are set aside for entries.
func withoutRoom(p []byte, entry int) []byte {
	for len(p) >= entry && len(bytes.Trim(p[len(p)-entry:], "\x00")) == 0 {
		p = p[:len(p)-entry]
	}
	return p
}

// op reads one disk operation. Appends take the next offset of their stream.
func (s *script) op(words []string) core.DiskOp {
	name := words[1]
	op := core.DiskOp{Stream: sid(name), Generation: stream.Generation(number(words, "gen", int64(s.gen[name])))}
	s.gen[name] = op.Generation
	to := record.Offset(number(words, "to", 0))
	switch words[0] {
	case "create":
		op.Kind, op.Topic = core.DiskCreate, words[2]
	case "append":
		n := int(number(words, "n", 1))
		base := record.Offset(number(words, "base", int64(s.end[name])))
		pid := record.ProducerID(number(words, "pid", -1))
		b := build(spec{
			base: base, n: n, epoch: record.Epoch(number(words, "e", 0)), ts: record.UnixMillis(number(words, "ts", 1000)), pid: pid,
			seq: int32(number(words, "seq", 0)), pad: int(number(words, "pad", 10)), attr: record.Attributes(number(words, "attr", 0)),
		})
		op.Kind, op.Batch, op.Sync = core.DiskAppend, b, words[len(words)-1] == "sync"
		s.end[name] = base + record.Offset(n)
	case "sync":
		op.Kind = core.DiskSync
	case "truncate":
		op.Kind, op.To, op.All, op.Base = core.DiskTruncate, to, words[len(words)-1] == "all", record.Offset(number(words, "base", 0))
		s.end[name] = max(to, op.Base)
	case "roll":
		op.Kind, op.Base = core.DiskRoll, record.Offset(number(words, "base", int64(s.end[name])))
	case "checkpoint":
		op.Kind = core.DiskCheckpoint
	case "delete":
		op.Kind, op.To, op.All = core.DiskDelete, to, words[len(words)-1] == "all"
	default:
		panic("unknown operation " + words[0])
	}
	return op
}
