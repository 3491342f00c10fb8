package runtime

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"odradek/core"
	"odradek/disk/vfs"
	"odradek/disk/vfs/osfs"
)

// startNode runs a node on an empty directory.
func startNode(t *testing.T) *Node {
	t.Helper()
	dir := t.TempDir()
	n, err := Start(t.Context(), Options{Config: []core.KeyValue{{Key: "listeners", Value: "PLAINTEXT://127.0.0.1:0"}},
		FS: []vfs.FS{osfs.New(dir)}, Paths: []string{dir}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := n.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return n
}

// Attendance changes hands whenever the mailbox runs empty. Whoever has given it up touches nothing of the attendant's any more, or the next one's
// events are lost under its hands.
func TestAttendanceChangesHands(t *testing.T) {
	n := startNode(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 3000 {
				n.Submit(core.Event{Kind: core.EvConnClosed, Conn: 1 << 60})
			}
		})
	}
	wg.Wait()
}
