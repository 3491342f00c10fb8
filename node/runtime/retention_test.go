package runtime

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/record"
)

// All records of a topic expire: its active segment goes as well, offsets go on where they were, across a restart too.
func TestRetentionOfEverything(t *testing.T) {
	n, disk := running(t, setup{set: []string{"log.retention.check.interval.ms=10"}})
	c := mustDial(t, n)
	if err := c.createTopic("t", 1, "retention.ms=100", "segment.bytes=300"); err != nil {
		t.Fatal(err)
	}
	produceAll(t, c, "t", 0, 5)
	gone := func() {
		eventually(t, "an empty log", func() bool {
			resp, err := c.ask(fetchOf("t", 0, 4, 0))
			if err != nil {
				t.Fatal(err)
			}
			return errcode.Code(resp.(*kmsg.FetchResponse).Topics[0].Partitions[0].ErrorCode) == errcode.OffsetOutOfRange
		})
	}
	gone()
	eventually(t, "one segment", func() bool {
		names, err := disk.mount().List("t-0")
		if err != nil {
			t.Fatal(err)
		}
		var logs []string
		for _, name := range names {
			if len(name) > 4 && name[len(name)-4:] == ".log" {
				logs = append(logs, name)
			}
		}
		return fmt.Sprint(logs) == "[00000000000000000005.log]"
	})
	stop(t, n)
	n, err := setup{fs: disk.mount()}.start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Kill)
	c = mustDial(t, n)
	if err := c.send(produceOf("t", 0, -1, batchOf("after"))); err != nil {
		t.Fatal(err)
	}
	resp, err := c.receive()
	if err != nil {
		t.Fatal(err)
	}
	if base, code := producedAt(resp); base != record.Offset(5) || code != errcode.None {
		t.Fatalf("offset %d, %v, want 5", base, code)
	}
}
