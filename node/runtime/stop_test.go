package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core"
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/disk/vfs"
	"odradek/sim/simdisk"
)

// produceAll sends a batch for each number and demands that all are acknowledged.
func produceAll(t *testing.T, c *client, topic string, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := c.send(produceOf(topic, 0, 1, batchOf(strconv.Itoa(i)))); err != nil {
			t.Fatal(err)
		}
		resp, err := c.receive()
		if err != nil {
			t.Fatal(err)
		}
		if base, code := producedAt(resp); code != errcode.None || base != record.Offset(i) {
			t.Fatalf("record %d: offset %d, %v", i, base, code)
		}
	}
}

// wantNumbers demands the records 0 to n−1 on a node.
func wantNumbers(t *testing.T, n *Node, topic string, count int) {
	t.Helper()
	values, err := mustDial(t, n).readTo(topic, 0, record.Offset(count))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range values {
		if v != strconv.Itoa(i) {
			t.Fatalf("%s: offset %d holds %q", topic, i, v)
		}
	}
}

// A clean stop answers what is in flight, waits for no parked fetch, and leaves nothing to lose: relaxed topics too are on the platter.
func TestStop(t *testing.T) {
	n, disk := running(t, setup{})
	c, relaxed, parked := mustDial(t, n), mustDial(t, n), mustDial(t, n)
	if err := errors.Join(c.createTopic("durable", 1), c.createTopic("relaxed", 1, "flush.messages=1000000")); err != nil {
		t.Fatal(err)
	}
	produceAll(t, c, "durable", 0, 3)
	produceAll(t, relaxed, "relaxed", 0, 300)
	disk.with(func(d *simdisk.Disk) {
		if d.Pending("index") == 0 {
			t.Error("nothing of the relaxed topic is unsynced: the test shows nothing")
		}
	})
	if err := parked.send(fetchOf("relaxed", 0, 300, 3_600_000)); err != nil {
		t.Fatal(err)
	}
	disk.mu.Lock()
	disk.slow = 100 * time.Millisecond
	disk.mu.Unlock()
	steps := n.Steps()
	var reqs []kmsg.Request
	for i := range 5 {
		reqs = append(reqs, produceOf("durable", 0, -1, batchOf(strconv.Itoa(3+i))))
	}
	if err := c.send(reqs...); err != nil {
		t.Fatal(err)
	}
	eventually(t, "step for each produce and the fetch", func() bool { return n.Steps() >= steps+6 })
	begin := time.Now()
	stop(t, n)
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("the stop took %v", took)
	}
	for i := range reqs {
		resp, err := c.receive()
		if err != nil {
			t.Fatalf("produce %d in flight was not answered: %v", i, err)
		}
		if base, code := producedAt(resp); code != errcode.None || base != record.Offset(3+i) {
			t.Errorf("produce %d in flight: offset %d, %v", i, base, code)
		}
	}
	if _, err := c.receive(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last answer: %v", err)
	}
	disk.with(func(d *simdisk.Disk) {
		if p := d.Pending("index"); p != 0 {
			t.Errorf("%d operations are not synced after a clean stop", p)
		}
	})

	disk.restore(rand.New(rand.NewPCG(1, 1)).IntN)
	again, err := setup{fs: disk.mount()}.start()
	if err != nil {
		t.Fatal(err)
	}
	wantNumbers(t, again, "durable", 8)
	wantNumbers(t, again, "relaxed", 300)
	stop(t, again)
}

// A clean stop stores every recovery point at its log's end, marks the directory last of all, and leaves nothing to sync; the next start takes the mark away.
func TestStopMarks(t *testing.T) {
	n, disk := running(t, setup{})
	c := mustDial(t, n)
	if err := errors.Join(c.createTopic("durable", 1), c.createTopic("relaxed", 1, "flush.messages=1000000")); err != nil {
		t.Fatal(err)
	}
	produceAll(t, c, "durable", 0, 3)
	produceAll(t, c, "relaxed", 0, 7)
	var late []string
	marked := false
	disk.with(func(d *simdisk.Disk) {
		d.Before = func(op simdisk.Op) error {
			if marked && (op.Kind == simdisk.OpSyncData || op.Kind == simdisk.OpWrite) && !strings.HasSuffix(op.Path, "index") {
				late = append(late, fmt.Sprint(op.Kind, " ", op.Path))
			}
			marked = marked || op.Kind == simdisk.OpRename && strings.HasPrefix(op.Path, core.CleanMark)
			return nil
		}
	})
	stop(t, n)
	disk.with(func(d *simdisk.Disk) {
		d.Before = nil
		points, _ := d.DurableData(core.RecoveryPointCheckpoint)
		marks, _ := d.DurableData(core.HighWatermarkCheckpoint)
		if want := "0\n2\ndurable 0 3\nrelaxed 0 7\n"; string(marks) != want {
			t.Errorf("high watermarks %q, want %q", marks, want)
		}
		if want := "0\n3\ndurable 0 3\nrelaxed 0 7\n__cluster_metadata 0 "; !strings.HasPrefix(string(points), want) {
			t.Errorf("recovery points %q, want %q and the metadata log's end", points, want)
		}
		if mark, ok := d.DurableData(core.CleanMark); !ok || !strings.HasPrefix(string(mark), `{"version":0,"brokerEpoch":`) {
			t.Errorf("the mark: %q", mark)
		}
		if len(late) > 0 {
			t.Errorf("after the mark: %v", late)
		}
	})
	again, err := setup{fs: disk.mount()}.start()
	if err != nil {
		t.Fatal(err)
	}
	disk.with(func(d *simdisk.Disk) {
		if _, ok := d.DurableData(core.CleanMark); ok {
			t.Error("the mark is there while the node runs")
		}
	})
	again.Kill() // from here on nobody writes its history
	if text := string(again.history.text("")); !strings.Contains(text, " clean epoch=") {
		t.Errorf("the core was not told that the stop was clean: %.400s", text)
	}
}

// A client that takes no answers cannot keep the rest from being synced.
func TestStopWithDeafClient(t *testing.T) {
	n, disk := running(t, setup{})
	c := mustDial(t, n)
	if err := c.createTopic("relaxed", 1, "flush.messages=1000000"); err != nil {
		t.Fatal(err)
	}
	value := strings.Repeat("v", 500_000)
	for range 20 {
		if _, err := c.ask(produceOf("relaxed", 0, 1, batchOf(value))); err != nil {
			t.Fatal(err)
		}
	}
	deaf := mustDial(t, n)
	req := fetchOf("relaxed", 0, 0, 0)
	req.MaxBytes, req.Topics[0].Partitions[0].PartitionMaxBytes = 50<<20, 50<<20
	if err := deaf.send(req); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if err := n.Stop(ctx); err != nil {
		t.Error(err)
	}
	disk.with(func(d *simdisk.Disk) {
		if p := d.Pending("index"); p != 0 {
			t.Errorf("%d operations are not synced", p)
		}
	})
}

// After a failed fsync nothing more is acknowledged, the fsync is not tried again, and the node gives itself up with its reason and its last events.
func TestFailedSync(t *testing.T) {
	events := filepath.Join(t.TempDir(), "events")
	n, disk := running(t, setup{events: events})
	c := mustDial(t, n)
	if err := c.createTopic("broken", 1); err != nil {
		t.Fatal(err)
	}
	produceAll(t, c, "broken", 0, 20)
	const file = "broken-0/00000000000000000000.log"
	syncs := 0
	disk.with(func(d *simdisk.Disk) {
		d.FailSync(file)
		d.Before = func(op simdisk.Op) error {
			if op.Kind == simdisk.OpSyncData && op.Path == file {
				syncs++
			}
			return nil
		}
	})
	for i := range 5 {
		_ = c.send(produceOf("broken", 0, int16(1-2*(i%2)), batchOf(strconv.Itoa(20+i))))
	}
	refused := 0
	for range 5 {
		_ = c.nc.SetReadDeadline(time.Now().Add(time.Second)) // a node that gave itself up answers no more
		resp, err := c.receive()
		if err != nil {
			break
		}
		if _, code := producedAt(resp); code != errcode.KafkaStorageError {
			t.Errorf("after the failed fsync: %v", code)
		}
		refused++
	}
	if refused == 0 {
		t.Error("what waited for the fsync was not refused")
	}
	select {
	case reason := <-n.Halted():
		if !strings.Contains(reason, file) {
			t.Errorf("the reason %q does not name %s", reason, file)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the node goes on")
	}
	text, err := os.ReadFile(events)
	if err != nil || !strings.Contains(string(text), "IOFailed") || !strings.Contains(string(text), "\nhalt: ") {
		t.Errorf("the last events: %v\n%.300s", err, text)
	}
	n.Kill()
	time.Sleep(20 * time.Millisecond)
	disk.with(func(d *simdisk.Disk) {
		if d.Before = nil; syncs != 1 {
			t.Errorf("the file was synced %d times, want the one that failed", syncs)
		}
	})
	disk.restore(func(int) int { return 0 })
	again, err := setup{fs: disk.mount()}.start()
	if err != nil {
		t.Fatal(err)
	}
	wantNumbers(t, again, "broken", 20)
	stop(t, again)
}

// A broken invariant ends the process, but not before its last events are written.
func TestBrokenInvariant(t *testing.T) {
	events := filepath.Join(t.TempDir(), "events")
	n := &Node{core: core.New(), log: slog.New(slog.DiscardHandler), started: time.Now(), armed: noInstant, events: events}
	n.mailbox.init(n.turn)
	defer func() {
		if cause := recover(); cause == nil {
			t.Error("the node goes on")
		}
		text, err := os.ReadFile(events)
		if err != nil || !strings.Contains(string(text), "Event kind=99") || !strings.Contains(string(text), "halt: invariant: ") {
			t.Errorf("the last events: %v\n%s", err, text)
		}
	}()
	n.Submit([]core.Event{{Kind: 99}})
}

// What a node is told when a directory is not its own: which directory, and what to do.
func TestForeignDirectory(t *testing.T) {
	n, disk := running(t, setup{})
	refused := func(s setup, words ...string) {
		t.Helper()
		other, err := s.start()
		if err == nil {
			other.Kill()
			t.Errorf("started, want an error with %q", words)
			return
		}
		for _, w := range words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q does not say %q", err, w)
			}
		}
	}
	disk.mu.Lock()
	same := &powerFS{disk, disk.disk.Mount()}
	disk.mu.Unlock()
	refused(setup{fs: same}, "/the/data", "in use by another process", "--data")
	stop(t, n)
	refused(setup{fs: same, set: []string{"node.id=7"}}, "/the/data", "node 1", "node 7", "node.id=1")

	// The refusals changed nothing and hold nothing.
	again, err := setup{fs: same}.start()
	if err != nil {
		t.Fatal(err)
	}
	stop(t, again)
}

// Two directories of two clusters are refused; a new one joins the cluster of an old one, whatever their order.
func TestDirectoriesOfClusters(t *testing.T) {
	var disks []vfs.FS
	for range 3 {
		disks = append(disks, newPowerDisk().mount())
	}
	for _, fs := range disks[:2] {
		n, err := setup{fs: fs}.start()
		if err != nil {
			t.Fatal(err)
		}
		stop(t, n)
	}
	if _, err := startOn(disks[0], disks[1]); err == nil || !strings.Contains(err.Error(), "/dir/1") || !strings.Contains(err.Error(), "one cluster") {
		t.Errorf("two clusters: %v", err)
	}
	n, err := startOn(disks[2], disks[0])
	if err != nil {
		t.Fatal(err)
	}
	n.Kill()
}

// A Start that fails late leaves nothing running and nothing locked.
func TestFailedStart(t *testing.T) {
	n, _ := running(t, setup{})
	taken := n.Endpoints()[0].Addr.String()
	disk := newPowerDisk()
	fs := disk.mount()
	if _, err := (setup{fs: fs, set: []string{"listeners=PLAINTEXT://" + taken}}).start(); err == nil || !strings.Contains(err.Error(), taken) {
		t.Fatalf("listening where another node does: %v", err)
	}
	var ops int
	disk.with(func(d *simdisk.Disk) { ops = d.Ops() })
	polled := disk.frees()
	time.Sleep(1200 * time.Millisecond)
	disk.with(func(d *simdisk.Disk) {
		if d.Ops() != ops {
			t.Errorf("%d file operations after the failed start", d.Ops()-ops)
		}
	})
	if now := disk.frees(); now != polled {
		t.Errorf("free space was asked for %d times after the failed start", now-polled)
	}
	again, err := setup{fs: fs}.start()
	if err != nil {
		t.Fatal(err)
	}
	stop(t, again)
}
