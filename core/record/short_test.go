package record

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// agree compares skimShort with skim at every position of raw, and says at how many skimShort read a record.
func agree(t rapid.TB, raw []byte) (short int) {
	for pos := 0; pos <= len(raw); pos++ {
		ts, offset, hasKey, next, ok := skimShort(raw, pos)
		if !ok {
			continue
		}
		short++
		wantTs, wantOffset, wantKey, wantNext, fault := skim(raw, pos)
		if fault != "" || ts != wantTs || offset != wantOffset || hasKey != wantKey || next != wantNext {
			t.Fatalf("at %d of %x: %d %d %t %d; skim: %d %d %t %d %q", pos, raw, ts, offset, hasKey, next, wantTs, wantOffset, wantKey, wantNext, fault)
		}
	}
	return short
}

// What skimShort accepts is what skim accepts, in whole batches and in spoiled ones.
func TestSkimShortAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := build(PlainSpec(0), genRecords().Draw(t, "records")).Data
		raw := data[HeaderSize:]
		agree(t, raw)
		for range rapid.IntRange(1, 8).Draw(t, "changes") {
			raw[rapid.IntRange(0, len(raw)-1).Draw(t, "at")] = rapid.SampledFrom([]byte{0, 1, 2, 3, 4, 6, 0x7f, 0x80, 0x81, 0xff}).Draw(t, "byte")
		}
		agree(t, raw[:rapid.IntRange(0, len(raw)).Draw(t, "cut")])
	})
}

// Every byte of a batch, with every value.
func TestSkimShortAgreesByteByByte(t *testing.T) {
	raw := build(PlainSpec(0), []drawn{{key: []byte("k"), value: make([]byte, 70)}, {value: make([]byte, 12)}, {key: []byte("key")}}).Data[HeaderSize:]
	for i, was := range raw {
		for v := range 256 {
			raw[i] = byte(v)
			agree(t, raw)
		}
		raw[i] = was
	}
}

// The records for which it was made are read by skimShort: without this, the fast way could be dead.
func TestSkimShortReads(t *testing.T) {
	// any order: each case stands by itself
	for name, c := range map[string]struct {
		record drawn
		count  int
		short  int // of count
	}{
		"100 bytes":         {drawn{value: make([]byte, 100)}, 20_000, 20_000},
		"one of 1 KB":       {drawn{value: make([]byte, 1024)}, 1, 1},
		"keys":              {drawn{key: make([]byte, 70), value: make([]byte, 9000)}, 20, 20},
		"late":              {drawn{timestamp: 1 << 18, value: make([]byte, 9)}, 9, 9},
		"values of 1 MB":    {drawn{value: make([]byte, 1<<20-20)}, 3, 3},
		"more than 1 MB":    {drawn{value: make([]byte, 1<<20)}, 3, 0},
		"headers":           {drawn{value: make([]byte, 9), headers: []Header{{Key: []byte("h")}}}, 9, 0},
		"days behind":       {drawn{timestamp: -1 << 30, value: make([]byte, 9)}, 9, 1}, // the first is the base
		"null and no value": {drawn{}, 9, 8},                                            // the last ends within what is looked at ahead
	} {
		records := make([]drawn, c.count)
		for i := range records {
			records[i] = c.record
		}
		records[0].timestamp = 0
		data := build(PlainSpec(0), records).Data[HeaderSize:]
		short := 0
		for pos := 0; pos < len(data); {
			_, _, _, next, ok := skimShort(data, pos)
			if ok {
				short++
			} else {
				var fault string
				if _, _, _, next, fault = skim(data, pos); fault != "" {
					t.Fatalf("%s: at %d: %s", name, pos, fault)
				}
			}
			pos = next
		}
		if short != c.short {
			t.Errorf("%s: %d of %d records", name, short, c.count)
		}
	}
}

// FuzzSkimShort: whatever the bytes, skimShort agrees with skim on what it takes.
func FuzzSkimShort(f *testing.F) {
	f.Add(build(PlainSpec(0), []drawn{{key: []byte("k"), value: make([]byte, 70)}, {value: make([]byte, 9000)}, {}}).Data[HeaderSize:])
	f.Add(forge(0, nil)[HeaderSize:])
	f.Fuzz(func(t *testing.T, raw []byte) { agree(t, raw) })
}

// The bounds hold what the difference of two timestamps says where that fits into 64 bits, and beyond.
func TestBoundsOfTimestamps(t *testing.T) {
	edges := []int64{math.MinInt64, math.MinInt64 + 1, -1, 0, 1, int64(testWall), math.MaxInt64 - 1, math.MaxInt64}
	for _, wall := range edges {
		for _, span := range edges {
			p := Policy{TimestampBeforeMaxMs: span, TimestampAfterMaxMs: span}
			low, high := p.bounds(UnixMillis(wall))
			for _, ts := range edges {
				behind, ahead := uint64(wall)-uint64(ts), uint64(ts)-uint64(wall) // no difference overflows in uint64
				want := ts <= wall && behind <= uint64(max(span, 0)) || ts > wall && ahead <= uint64(max(span, 0))
				if got := UnixMillis(ts) >= low && UnixMillis(ts) <= high; got != want {
					t.Errorf("at %d, %d is within %d: %t", wall, ts, span, got)
				}
			}
		}
	}
	p := Policy{LogAppendTime: true}
	if low, high := p.bounds(testWall); low != math.MinInt64 || high != math.MaxInt64 {
		t.Error("append time has bounds")
	}
}
