// Package interop runs clients that we did not write against a real node: a process with real files and sockets.
package interop

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the odradek under test: $ODRADEK, or built from the tree.
var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("ODRADEK"); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "odradek")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "odradek")
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w", out, err)
	}
	return path, nil
})

// node is one process.
type node struct {
	t       *testing.T
	cmd     *exec.Cmd
	data    string
	address string // of clients
	admin   string
	set     []string
	log     lockedBuffer
	exited  chan error
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// freeAddress returns a loopback address that nobody listens on.
func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs a node on an empty directory and waits until it is ready.
func start(t *testing.T, set ...string) *node {
	n := &node{t: t, data: filepath.Join(t.TempDir(), "data"), address: freeAddress(t), admin: freeAddress(t), set: set}
	n.run()
	t.Cleanup(func() {
		n.kill()
		if t.Failed() {
			t.Logf("log of the node:\n%s", tail(n.log.String(), 4000))
		}
	})
	return n
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

func (n *node) run() {
	n.t.Helper()
	path, err := binary()
	if err != nil {
		n.t.Fatal(err)
	}
	args := []string{"serve", "--data", n.data, "--set", "listeners=PLAINTEXT://" + n.address, "--set", "admin.listener=" + n.admin}
	for _, s := range n.set {
		args = append(args, "--set", s)
	}
	n.cmd = exec.Command(path, args...)
	n.cmd.Stderr, n.cmd.Stdout = &n.log, &n.log
	n.cmd.Dir = filepath.Dir(n.data)
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	exited := make(chan error, 1)
	n.exited = exited
	cmd := n.cmd
	go func() { exited <- cmd.Wait() }()
	for range 3000 {
		if resp, err := http.Get("http://" + n.admin + "/readyz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case err := <-exited:
			n.t.Fatalf("the node ended: %v\n%s", err, tail(n.log.String(), 4000))
		case <-time.After(5 * time.Millisecond):
		}
	}
	n.t.Fatalf("the node is not ready after 15 s\n%s", tail(n.log.String(), 4000))
}

// kill ends the process with SIGKILL; nothing in it gets to run.
func (n *node) kill() {
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Signal(syscall.SIGKILL)
	<-n.exited
	n.cmd = nil
}

// stop ends it with SIGTERM and demands a clean end.
func (n *node) stop() {
	n.t.Helper()
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-n.exited:
		if err != nil {
			n.t.Fatalf("a clean stop ended with %v\n%s", err, tail(n.log.String(), 4000))
		}
	case <-time.After(30 * time.Second):
		n.t.Fatal("a clean stop took more than 30 s")
	}
	n.cmd = nil
}

// memory returns the resident set of the process in bytes.
func (n *node) memory() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.cmd.Process.Pid))
	if err != nil {
		n.t.Fatal(err)
	}
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "VmRSS:"); ok {
			var kb int64
			fmt.Sscan(rest, &kb)
			return kb << 10
		}
	}
	n.t.Fatal("no VmRSS")
	return 0
}
