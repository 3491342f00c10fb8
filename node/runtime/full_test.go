package runtime

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/disk/vfs/osfs"
)

// TestDiskFull fills a file system of 64 MiB: a produce is refused with a definite error before it gets an offset, reads go on, what was acknowledged is there
// after a restart on the full disk, and produces are taken again when space has come back.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v (run as root)", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	start := func() *Node {
		n, err := setup{fs: osfs.New(dir)}.start()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.Kill)
		return n
	}
	n := start()
	c := mustDial(t, n)
	for _, topic := range []string{"kept", "given"} {
		if err := c.createTopic(topic, 1); err != nil {
			t.Fatal(err)
		}
	}
	value := strings.Repeat("x", 500<<10)
	put := func(topic string) (record.Offset, errcode.Code) {
		resp, err := c.ask(produceOf(topic, 0, -1, batchOf(value)))
		if err != nil {
			t.Fatal(err)
		}
		return producedAt(resp)
	}
	ends := map[string]record.Offset{}
	refused := 0
	for i := 0; refused < 20 && i < 400; i++ {
		topic := []string{"kept", "given"}[i%2]
		offset, code := put(topic)
		switch {
		case code == errcode.KafkaStorageError && offset == -1:
			refused++
		case code == errcode.None && refused == 0 && offset == ends[topic]:
			ends[topic]++
		default:
			t.Fatalf("produce %d to %s: offset %d, %v; %d were refused before", i, topic, offset, code, refused)
		}
	}
	if refused < 20 || ends["kept"] < 10 {
		t.Fatalf("%d refused, ends %v", refused, ends)
	}
	check := func(topic string) {
		t.Helper()
		values, err := c.readTo(topic, 0, ends[topic])
		if err != nil || record.Offset(len(values)) != ends[topic] || values[0] != value {
			t.Fatalf("%s: %d of %d values, %v", topic, len(values), ends[topic], err)
		}
	}
	check("kept")
	check("given")
	stop(t, n) // checkpoints and the clean mark still fit

	n = start()
	c = mustDial(t, n)
	if offset, code := put("kept"); code != errcode.KafkaStorageError || offset != -1 {
		t.Fatalf("after a restart on the full disk: offset %d, %v", offset, code)
	}
	check("kept")
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.SetVersion(5)
	req.TopicNames, req.TimeoutMillis = []string{"given"}, 10_000
	if _, err := c.ask(req); err != nil {
		t.Fatal(err)
	}
	eventually(t, "produces are taken again", func() bool {
		offset, code := put("kept")
		return code == errcode.None && offset == ends["kept"]
	})
	ends["kept"]++
	check("kept")
	stop(t, n)
	fmt.Fprintf(t.Output(), "%d records of 500 KiB fitted, %d were refused\n", ends["kept"]+ends["given"]-1, refused+1)
}
