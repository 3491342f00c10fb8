package runtime

import (
	"encoding/binary"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/disk/vfs/osfs"
)

// tenProduces sends ten requests in one piece and returns the sync rounds they took.
func tenProduces(t *testing.T, n *Node) (rounds, fsyncs int64) {
	t.Helper()
	c := mustDial(t, n)
	if err := c.createTopic("shared", 1); err != nil {
		t.Fatal(err)
	}
	before := n.Stats()
	var reqs []kmsg.Request
	for i := range 10 {
		reqs = append(reqs, produceOf("shared", 0, -1, batchOf("v"+strconv.Itoa(i))))
	}
	if err := c.send(reqs...); err != nil {
		t.Fatal(err)
	}
	for i := range reqs {
		resp, err := c.receive()
		if err != nil {
			t.Fatal(err)
		}
		if base, code := producedAt(resp); code != errcode.None || base != record.Offset(i) {
			t.Errorf("produce %d: offset %d, %v", i, base, code)
		}
	}
	after := n.Stats()
	if covered := after.Batches - before.Batches; covered != 10 {
		t.Errorf("the rounds covered %d batches, want 10", covered)
	}
	return after.Rounds - before.Rounds, after.Fsyncs - before.Fsyncs
}

// Ten acks=all produces on one connection do not wait for one another's fsync: they share few.
func TestProducesShareSyncs(t *testing.T) {
	n, disk := running(t, setup{})
	disk.mu.Lock()
	disk.slow = 3 * time.Millisecond
	disk.mu.Unlock()
	rounds, fsyncs := tenProduces(t, n)
	t.Logf("syncs of 3 ms: ten produces in %d rounds, %d fsyncs", rounds, fsyncs)
	if rounds > 4 || fsyncs > 8 {
		t.Errorf("ten produces took %d rounds, %d fsyncs; want at most 4 rounds of log and folder", rounds, fsyncs)
	}
	real, err := setup{fs: osfs.New(t.TempDir())}.start()
	if err != nil {
		t.Fatal(err)
	}
	rounds, fsyncs = tenProduces(t, real)
	t.Logf("a real disk: ten produces in %d rounds, %d fsyncs", rounds, fsyncs)
	stop(t, real)
}

// Frames that lie about their length cost next to nothing, and others are served meanwhile.
func TestLyingFrames(t *testing.T) {
	const liars = 50
	log := new(logLines)
	n, _ := running(t, setup{log: log})
	honest := mustDial(t, n)
	if err := honest.createTopic("honest", 1); err != nil {
		t.Fatal(err)
	}
	serve := func(offset record.Offset) {
		t.Helper()
		resp, err := honest.ask(produceOf("honest", 0, -1, batchOf("x")))
		if err != nil {
			t.Fatal(err)
		}
		if base, code := producedAt(resp); code != errcode.None || base != offset {
			t.Errorf("produced at %d: %v", base, code)
		}
	}
	serve(0)
	before := heap()

	for range liars {
		c := mustDial(t, n)
		if _, err := c.nc.Write(binary.BigEndian.AppendUint32(nil, 2<<30-1)); err != nil {
			t.Fatal(err)
		}
		c.closes(t)
	}
	const written = 10 // of a kind; what is left out is told later
	eventually(t, "line for each of the first", func() bool { return len(log.with("bad frame")) >= written })
	if got := len(log.with("connection closed")); got != written {
		t.Errorf("%d lines for %d connections", got, liars)
	}
	serve(1)
	afterGiants := heap() - before

	var open []*client
	for i := range 2 * liars {
		c := mustDial(t, n)
		open = append(open, c)
		claim := binary.BigEndian.AppendUint32(nil, 99<<20)
		if i%2 == 0 { // the header of a Produce, and no more
			claim = append(claim, 0, 0, 0, 9, 0, 0, 0, 1)
		}
		if _, err := c.nc.Write(claim); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "buffer for each", func() bool { return n.frames.InUse() >= liars*64<<10 })
	serve(2)
	afterSilent := heap() - before
	t.Logf("heap: %d KiB after %d claims of 2 GB, %d KiB with %d claims of 99 MB open", afterGiants>>10, liars, afterSilent>>10, 2*liars)
	if afterGiants > 4<<20 {
		t.Errorf("claims of 2 GB cost %d bytes", afterGiants)
	}
	if afterSilent > 12<<20 {
		t.Errorf("claims of 99 MB cost %d bytes", afterSilent)
	}
	for _, c := range open {
		c.nc.Close()
	}
	eventually(t, "release of the buffers", func() bool { return n.frames.InUse() == 0 })
	serve(3)
}

// An idle node runs no Steps but for the poll of free space; fetches that wait cost none, and end in time.
func TestIdle(t *testing.T) {
	n, _ := running(t, setup{})
	c, other := mustDial(t, n), mustDial(t, n)
	if err := c.createTopic("idle", 1); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	// One that waits for long, so that the timer is set, must not delay one that waits for less.
	if err := other.send(fetchOf("idle", 0, 0, 3_600_000)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	for _, wait := range []time.Duration{400 * time.Millisecond, 50 * time.Millisecond} {
		begin := time.Now()
		resp, err := c.ask(fetchOf("idle", 0, 0, int32(wait.Milliseconds())))
		if err != nil {
			t.Fatal(err)
		}
		if p := &resp.(*kmsg.FetchResponse).Topics[0].Partitions[0]; p.ErrorCode != 0 || len(p.RecordBatches) > 0 {
			t.Errorf("error %d, %d bytes", p.ErrorCode, len(p.RecordBatches))
		}
		if took := time.Since(begin); took < wait || took > wait+500*time.Millisecond {
			t.Errorf("a fetch that waits %v took %v", wait, took)
		}
	}
	before := n.Steps()
	time.Sleep(2 * time.Second)
	steps := n.Steps() - before
	t.Logf("%d steps in 2 s", steps)
	if steps < 1 || steps > 3 {
		t.Errorf("%d steps in 2 s of idleness, want the polls of free space alone", steps)
	}
	if _, err := c.ask(produceOf("idle", 0, -1, batchOf("x"))); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	resp, err := other.receive()
	if err != nil || len(resp.(*kmsg.FetchResponse).Topics[0].Partitions[0].RecordBatches) == 0 || time.Since(begin) > time.Second {
		t.Errorf("the parked fetch was not woken by a record: %v", err)
	}
}
