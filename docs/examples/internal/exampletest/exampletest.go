// Package exampletest runs an example against a node.
package exampletest

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"odradek/core"
	"odradek/disk/vfs"
	"odradek/disk/vfs/osfs"
	"odradek/node/runtime"
)

// timeout is for a whole example.
const timeout = time.Minute

// Run runs an example against a node of its own, and compares what it prints.
func Run(t *testing.T, run func(ctx context.Context, bootstrap string, out io.Writer) error, want string) {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	n, err := runtime.Start(ctx, runtime.Options{FS: []vfs.FS{osfs.New(dir)}, Paths: []string{dir}, Log: slog.New(slog.DiscardHandler),
		Config: []core.KeyValue{{Key: "listeners", Value: "PLAINTEXT://127.0.0.1:0"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		bounded, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := n.Stop(bounded); err != nil {
			t.Error(err)
		}
	}()
	var out bytes.Buffer
	if err := run(ctx, n.Endpoints()[0].Addr.String(), &out); err != nil {
		t.Fatal(err)
	}
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
}
