package runtime

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core"
	"odradek/core/errcode"
	"odradek/disk/segment"
	"odradek/disk/vfs"
	"odradek/disk/vfs/osfs"
)

// brokenFS is a real file system of which one thing can be made to fail.
type brokenFS struct {
	vfs.FS
	syncs  atomic.Bool // SyncData fails
	opens  atomic.Bool // Open of a log fails
	locks  atomic.Bool // Lock fails: the directory cannot be reached
	failed atomic.Int64
}

type brokenFile struct {
	vfs.File
	fs *brokenFS
}

func (f *brokenFS) fail(on *atomic.Bool) error {
	if !on.Load() {
		return nil
	}
	f.failed.Add(1)
	return vfs.ErrIO
}

func (f *brokenFS) wrap(file vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &brokenFile{file, f}, nil
}

func (f *brokenFS) Open(path string) (vfs.File, error) {
	if strings.HasSuffix(path, ".log") {
		if err := f.fail(&f.opens); err != nil {
			return nil, err
		}
	}
	return f.wrap(f.FS.Open(path))
}

func (f *brokenFS) Create(path string) (vfs.File, error) { return f.wrap(f.FS.Create(path)) }

func (f *brokenFS) Lock(path string) (vfs.File, error) {
	if err := f.fail(&f.locks); err != nil {
		return nil, err
	}
	return f.FS.Lock(path)
}

func (f *brokenFile) SyncData() error {
	if err := f.fs.fail(&f.fs.syncs); err != nil {
		return err
	}
	return f.File.SyncData()
}

// twoDirs are two real directories, the second of which can fail.
type twoDirs struct {
	t     *testing.T
	paths [2]string
	fs    [2]*brokenFS
	log   *logLines
}

func newTwoDirs(t *testing.T) *twoDirs {
	d := &twoDirs{t: t, paths: [2]string{t.TempDir(), t.TempDir()}}
	for i := range d.fs {
		d.fs[i] = &brokenFS{FS: osfs.New(d.paths[i])}
	}
	return d
}

func (d *twoDirs) start() (*Node, error) {
	d.log = new(logLines)
	o := Options{Log: slog.New(slog.NewTextHandler(d.log, nil)), Config: []core.KeyValue{{Key: "listeners", Value: "PLAINTEXT://127.0.0.1:0"}},
		Events: filepath.Join(d.t.TempDir(), "events")}
	for i := range d.fs {
		o.FS, o.Paths = append(o.FS, d.fs[i]), append(o.Paths, d.paths[i])
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return Start(ctx, o)
}

func (d *twoDirs) mustStart() *Node {
	d.t.Helper()
	n, err := d.start()
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(n.Kill)
	return n
}

func (d *twoDirs) there(dir int, name string) bool {
	_, err := os.Stat(filepath.Join(d.paths[dir], name))
	return err == nil
}

// fill makes a topic in each directory, with three records.
func (d *twoDirs) fill(c *client) {
	d.t.Helper()
	for i, topic := range []string{"first", "second"} {
		if err := c.createTopic(topic, 1); err != nil {
			d.t.Fatal(err)
		}
		produceAll(d.t, c, topic, 0, 3)
		if !d.there(i, topic+"-0") {
			d.t.Fatalf("topic %s is not in directory %d", topic, i)
		}
	}
}

// wantRefused demands that a produce is answered KAFKA_STORAGE_ERROR.
func wantRefused(t *testing.T, c *client, topic string) {
	t.Helper()
	resp, err := c.ask(produceOf(topic, 0, 1, batchOf("refused")))
	if err != nil {
		t.Fatal(err)
	}
	if _, code := producedAt(resp); code != errcode.KafkaStorageError {
		t.Errorf("a produce to %s: %v", topic, code)
	}
}

// An fsync fails in the second directory: what waits for it is refused, nothing there is acknowledged any more and the fsync is not tried again, while the first
// directory serves. Metadata names no leader; new topics go to the first. With the directory back, what was acknowledged is there.
func TestSecondDirectoryFails(t *testing.T) {
	d := newTwoDirs(t)
	n := d.mustStart()
	c := mustDial(t, n)
	d.fill(c)
	d.fs[1].syncs.Store(true)
	for range 3 {
		wantRefused(t, c, "second")
	}
	if failed := d.fs[1].failed.Load(); failed != 1 {
		t.Errorf("%d fsyncs failed, want one and no further", failed)
	}
	produceAll(t, c, "first", 3, 6)
	if err := c.createTopic("third", 2); err != nil {
		t.Fatal(err)
	}
	produceAll(t, c, "third", 0, 2)
	if !d.there(0, "third-0") || !d.there(0, "third-1") {
		t.Error("a new topic is not in the directory that stands")
	}
	eventually(t, "second without leader", func() bool {
		p := partitionOf(t, c, "second")
		return p.Leader == -1 && errcode.Code(p.ErrorCode) == errcode.LeaderNotAvailable && len(p.OfflineReplicas) == 1
	})
	if p := partitionOf(t, c, "first"); p.Leader != 1 || p.ErrorCode != 0 || len(p.OfflineReplicas) != 0 {
		t.Errorf("first: %+v", p)
	}
	stop(t, n)
	if !d.there(0, core.CleanMark) || d.there(1, core.CleanMark) {
		t.Error("the clean mark belongs in the first directory and not in the second")
	}

	d.fs[1].syncs.Store(false)
	again := d.mustStart()
	c = mustDial(t, again)
	wantNumbers(t, again, "first", 6)
	// What was refused may be there behind it: it was written, and nobody was told that it is not.
	values, err := c.readTo("second", 0, 3)
	if err != nil || len(values) < 3 || values[0] != "0" || values[1] != "1" || values[2] != "2" {
		t.Errorf("second after the restart: %q, %v", values, err)
	}
	if p := partitionOf(t, c, "second"); p.Leader != 1 || p.ErrorCode != 0 || len(p.OfflineReplicas) != 0 {
		t.Errorf("second after the restart: %+v", p)
	}
	stop(t, again)
	if !d.there(1, core.CleanMark) {
		t.Error("the second directory is not marked")
	}
}

// A directory that cannot be reached or read at the start is given up: its partitions are offline, and never made anew elsewhere. The first one is not.
func TestDirectoryMissingAtStart(t *testing.T) {
	for name, fault := range map[string]func(*brokenFS) *atomic.Bool{
		"it cannot be locked":  func(f *brokenFS) *atomic.Bool { return &f.locks },
		"a log cannot be read": func(f *brokenFS) *atomic.Bool { return &f.opens },
	} {
		t.Run(name, func(t *testing.T) {
			d := newTwoDirs(t)
			n := d.mustStart()
			d.fill(mustDial(t, n))
			stop(t, n)

			fault(d.fs[1]).Store(true)
			n = d.mustStart()
			if lines := d.log.with("log directory given up"); len(lines) != 1 || !strings.Contains(lines[0], d.paths[1]) {
				t.Errorf("what is said of the directory: %q", lines)
			}
			c := mustDial(t, n)
			produceAll(t, c, "first", 3, 6)
			wantRefused(t, c, "second")
			if p := partitionOf(t, c, "second"); p.Leader != -1 || len(p.OfflineReplicas) != 1 {
				t.Errorf("second without its directory: %+v", p)
			}
			if d.there(0, "second-0") {
				t.Error("the partition was made anew")
			}
			stop(t, n)

			fault(d.fs[1]).Store(false)
			n = d.mustStart()
			wantNumbers(t, n, "first", 6)
			produceAll(t, mustDial(t, n), "second", 3, 5)
			wantNumbers(t, n, "second", 5)
			stop(t, n)

			fault(d.fs[0]).Store(true)
			if n, err := d.start(); err == nil {
				n.Kill()
				t.Error("started without the directory of the metadata log")
			} else if !strings.Contains(err.Error(), vfs.ErrIO.Error()) {
				t.Errorf("without the first directory: %v", err)
			}
		})
	}
}

// Two directories with one id cannot be told apart.
func TestCopiedDirectory(t *testing.T) {
	d := newTwoDirs(t)
	stop(t, d.mustStart())
	text, err := os.ReadFile(filepath.Join(d.paths[0], "meta.properties"))
	if err == nil {
		err = os.WriteFile(filepath.Join(d.paths[1], "meta.properties"), text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if n, err := d.start(); err == nil {
		n.Kill()
		t.Error("started")
	} else if !strings.Contains(err.Error(), d.paths[0]) || !strings.Contains(err.Error(), d.paths[1]) || !strings.Contains(err.Error(), "copy") {
		t.Errorf("the error does not say what to do: %v", err)
	}
}

// partitionOf asks for the metadata of a topic's first partition.
func partitionOf(t *testing.T, c *client, topic string) kmsg.MetadataResponseTopicPartition {
	t.Helper()
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(12)
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = &topic
	req.Topics = append(req.Topics, asked)
	resp, err := c.ask(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp.(*kmsg.MetadataResponse).Topics[0].Partitions[0]
}

// A directory of a newer format is refused, and nothing of it is touched.
func TestNewerFormat(t *testing.T) {
	d := newTwoDirs(t)
	stop(t, d.mustStart())
	path := filepath.Join(d.paths[0], segment.StreamsFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	newer := bytes.Replace(text, []byte("odradek 1\n"), []byte("odradek 2\n"), 1)
	if err := os.WriteFile(path, newer, 0o644); err != nil {
		t.Fatal(err)
	}
	if n, err := d.start(); err == nil || !strings.Contains(err.Error(), "format 2, this binary knows 1") {
		if err == nil {
			n.Kill()
		}
		t.Fatalf("a newer format: %v", err)
	}
	if !d.there(0, core.CleanMark) {
		t.Error("the mark of the clean stop is gone")
	}
}
