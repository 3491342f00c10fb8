package runtime

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/disk/vfs/filecache"
	"odradek/disk/vfs/osfs"
)

// numbered is the value at an offset of a partition: large every third time, so that the extents of some replies go out by sendfile.
func numbered(topic string, partition int32, i int) string {
	return fmt.Sprint(topic, partition, "@", i) + strings.Repeat("x", []int{300, 700, 12_000}[i%3])
}

// A node works with far fewer descriptors than segments: 100 partitions of several segments each, written and read by several clients at once, a topic of the
// same name made anew meanwhile, and all of it again after a restart.
func TestFewDescriptors(t *testing.T) {
	const partitions, count, limit = 50, 9, 8
	fs := filecache.New(osfs.New(t.TempDir()), filecache.Limits{Files: limit})
	n, err := setup{fs: fs}.start()
	if err != nil {
		t.Fatal(err)
	}
	fill := func(topic string) {
		c := mustDial(t, n)
		if err := c.createTopic(topic, partitions, "segment.bytes=2000"); err != nil {
			t.Error(err)
		}
		for i := range count {
			for p := range int32(partitions) {
				if err := c.send(produceOf(topic, p, -1, batchOf(numbered(topic, p, i)))); err != nil {
					t.Error(err)
					return
				}
				resp, err := c.receive()
				if err != nil {
					t.Error(err)
					return
				}
				if base, code := producedAt(resp); code != errcode.None || base != record.Offset(i) {
					t.Errorf("%s-%d: offset %d, %v, want %d", topic, p, base, code, i)
				}
			}
		}
	}
	check := func(topic string) {
		c := mustDial(t, n)
		for p := range int32(partitions) {
			values, err := c.readTo(topic, p, count)
			if err != nil {
				t.Error(err)
				return
			}
			for i, v := range values {
				if v != numbered(topic, p, i) {
					t.Errorf("%s-%d: offset %d holds %.40q", topic, p, i, v)
				}
			}
		}
	}
	together := func(fs ...func()) {
		var all sync.WaitGroup
		for _, f := range fs {
			all.Go(f)
		}
		all.Wait()
	}
	together(func() { fill("a") }, func() { fill("b") })
	together(func() { check("a") }, func() { check("b") }, func() { check("b") }, func() { check("a") })
	together(func() { check("a") }, func() {
		c := mustDial(t, n)
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.Version, req.TopicNames, req.TimeoutMillis = 5, []string{"b"}, 10_000
		if _, err := c.ask(req); err != nil {
			t.Error(err)
		}
		fill("b")
		check("b")
	})
	s := fs.Stats()
	if s.Files < 4*100 || s.Reopened < 100 || s.Open > limit+5 { // what is in use or unsynced comes on top
		t.Errorf("%+v", s)
	}
	stop(t, n)
	if s := fs.Stats(); s.Files != 0 || s.Open != 0 || s.Maps != 0 {
		t.Errorf("after the stop %+v", s)
	}
	if n, err = (setup{fs: fs}).start(); err != nil {
		t.Fatal(err)
	}
	together(func() { check("a") }, func() { check("b") })
	stop(t, n)
}
