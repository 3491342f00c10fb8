package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"odradek/bench/measure"
)

// Node is a node of this tree: `odradek serve` in a process of its own, on a directory of its own.
type Node struct {
	process
	binary string
	dir    string
	set    []string
	place  Place
	voters []Place
}

// Build compiles the node into dir: `go run` would pass no signal on, and its CPU time would count the compiler's. It is a static program: of the C library, which
// only the packages net and os/user would call, a megabyte would be resident.
func Build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "odradek")
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", binary, "odradek")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build odradek: %w\n%s", err, out)
	}
	return binary, nil
}

// NewNode describes a node that is not started yet. set are its settings, key=value.
func NewNode(binary, dir string, set []string) *Node {
	return &Node{binary: binary, dir: dir, set: set}
}

// NewMember describes a node that is one of several.
func NewMember(binary, dir string, set []string, place Place, voters []Place) *Node {
	return &Node{binary: binary, dir: dir, set: set, place: place, voters: voters}
}

// Name is what it is.
func (n *Node) Name() string {
	if len(n.set) == 0 {
		return "odradek, embedded node"
	}
	return "odradek, embedded node, " + strings.Join(n.set, " ")
}

const (
	readyMax   = 20 * time.Second
	readyPause = 5 * time.Millisecond
)

// Bootstrap starts the node, anew if it has ended.
func (n *Node) Bootstrap(ctx context.Context) ([]string, error) {
	if n.running() {
		return []string{n.place.Clients}, nil
	}
	if err := n.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(readyMax); time.Now().Before(deadline) && n.running() && ctx.Err() == nil; time.Sleep(readyPause) {
		if _, err := n.get("/readyz"); err == nil {
			return []string{n.place.Clients}, nil
		}
	}
	_ = n.Close()
	return nil, fmt.Errorf("%w: the node is not ready after %v:\n%s", ErrUnreachable, readyMax, n.log.String())
}

// Start executes the node and does not wait for it.
func (n *Node) Start() error {
	if n.place.Clients == "" {
		places, err := Places(1)
		if err != nil {
			return err
		}
		n.place = places[0]
	}
	args := []string{"serve", "--data", n.Data()}
	listeners := "PLAINTEXT://" + n.place.Clients
	if len(n.voters) > 0 {
		args = append(args, "--cluster-id", clusterID, "--set", "node.id="+strconv.Itoa(n.place.ID), "--set", "controller.quorum.voters="+quorum(n.voters),
			"--set", "controller.listener.names=CONTROLLER")
		listeners += ",CONTROLLER://" + n.place.Controllers
	}
	args = append(args, "--set", "listeners="+listeners, "--set", "admin.listener="+n.place.Admin)
	for _, s := range n.set {
		args = append(args, "--set", s)
	}
	return n.start(n.binary, args...)
}

// Address is where clients find it, known once it was started.
func (n *Node) Address() string { return n.place.Clients }

// Data is its log directory.
func (n *Node) Data() string { return filepath.Join(n.dir, "data") }

// Usage reads /proc, and the fsyncs from the node's own counters.
func (n *Node) Usage() (measure.Usage, error) {
	u, err := n.process.Usage()
	if err != nil {
		return u, err
	}
	if stats, err := n.get("/debug/stats"); err == nil {
		if _, after, ok := strings.Cut(stats, `"Fsyncs":`); ok {
			_, _ = fmt.Sscan(after, &u.Fsyncs)
		}
	}
	return u, nil
}

// adminMax bounds an answer of the node's admin listener.
const adminMax = 5 * time.Second

func (n *Node) get(path string) (string, error) { return n.getWithin(path, adminMax) }

func (n *Node) getWithin(path string, most time.Duration) (string, error) {
	client := http.Client{Timeout: most}
	resp, err := client.Get("http://" + n.place.Admin + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, resp.Status)
	}
	return string(text), err
}

// Profile is a CPU profile of so long from now on, for go tool pprof.
func (n *Node) Profile(length time.Duration) (string, error) {
	return n.getWithin(fmt.Sprintf("/debug/pprof/profile?seconds=%d", max(1, int(length.Seconds()))), length+adminMax)
}

// Extents are the node's counters of the bytes of files in responses: sent by the kernel, read into memory because they were small, and although they were not.
type Extents struct{ Kernel, Small, Large int64 }

// Extents reads them.
func (n *Node) Extents() (Extents, error) {
	var stats struct{ Extents Extents }
	text, err := n.get("/debug/stats")
	if err == nil {
		err = json.Unmarshal([]byte(text), &stats)
	}
	return stats.Extents, err
}

// Allocations is how many objects the node has put on its heap since it began.
func (n *Node) Allocations() (count int64, err error) {
	heap, err := n.get("/debug/pprof/heap?debug=1")
	if err != nil {
		return 0, err
	}
	_, after, ok := strings.Cut(heap, "# Mallocs = ")
	if !ok {
		return 0, errors.New("no Mallocs in the heap profile")
	}
	_, err = fmt.Sscan(after, &count)
	return count, err
}

// DiskBytes adds up the topic's log files.
func (n *Node) DiskBytes(topic string) int64 { return logBytes(n.Data(), topic) }

// logBytes adds up a topic's log files below a directory.
func logBytes(dir, topic string) (sum int64) {
	files, _ := filepath.Glob(filepath.Join(dir, topic+"-*", "*.log"))
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			sum += info.Size()
		}
	}
	return sum
}
