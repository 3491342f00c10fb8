// Package target is what a benchmark sends to: a node of this tree in a process of its own, any other Kafka-compatible broker by its address, or a fake that
// only answers.
package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"odradek/bench/kafka"
	"odradek/bench/measure"
)

// Target is a broker under measurement.
type Target interface {
	// Name says in a few words what it is.
	Name() string
	// Bootstrap makes sure that it runs and returns its addresses.
	Bootstrap(ctx context.Context) ([]string, error)
	// Process is its process on this machine, 0 if that is not known.
	Process() int
	// Usage is what its process has used; an error if that cannot be known.
	Usage() (measure.Usage, error)
	// DiskBytes is what a topic's log files hold; 0 if that cannot be known.
	DiskBytes(topic string) int64
	// Close ends it if it was started here.
	Close() error
}

// ErrUnreachable is wrapped by errors about a broker that does not answer.
var ErrUnreachable = errors.New("the broker does not answer")

// External is a broker that runs already.
type External struct {
	Addresses []string
	PID       int // 0: not known, or not on this machine
}

// Name is its addresses.
func (e *External) Name() string { return strings.Join(e.Addresses, ",") }

// Bootstrap asks whether one of them answers.
func (e *External) Bootstrap(context.Context) ([]string, error) {
	c, err := kafka.DialAny(e.Addresses)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrUnreachable, err)
	}
	return e.Addresses, c.Close()
}

// Process is what was given.
func (e *External) Process() int { return e.PID }

// Usage reads /proc where the process is known.
func (e *External) Usage() (measure.Usage, error) {
	if e.PID == 0 {
		return measure.Usage{Fsyncs: -1}, errors.New("the broker's process is not known")
	}
	return measure.ProcessUsage(e.PID)
}

// DiskBytes is not known.
func (e *External) DiskBytes(string) int64 { return 0 }

// Close leaves it alone.
func (e *External) Close() error { return nil }

// Node is a node of this tree: `odradek serve` in a process of its own, on a directory of its own.
type Node struct {
	binary string
	dir    string
	set    []string
	cmd    *exec.Cmd
	ended  chan struct{}
	log    bytes.Buffer
	addr   string
	admin  string
}

// Build compiles the node into dir: `go run` would pass no signal on, and its CPU time would count the compiler's.
func Build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "odradek")
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", binary, "odradek")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build odradek: %w\n%s", err, out)
	}
	return binary, nil
}

// NewNode describes a node that is not started yet. set are its settings, key=value.
func NewNode(binary, dir string, set []string) *Node {
	return &Node{binary: binary, dir: dir, set: set}
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
	stopMax    = 20 * time.Second
)

// Bootstrap starts the node, anew if it has ended.
func (n *Node) Bootstrap(ctx context.Context) ([]string, error) {
	if n.running() {
		return []string{n.addr}, nil
	}
	var err error
	if n.addr, err = freeAddress(); err != nil {
		return nil, err
	}
	if n.admin, err = freeAddress(); err != nil {
		return nil, err
	}
	args := []string{"serve", "--data", filepath.Join(n.dir, "data"), "--set", "listeners=PLAINTEXT://" + n.addr, "--set", "admin.listener=" + n.admin}
	for _, s := range n.set {
		args = append(args, "--set", s)
	}
	n.log.Reset()
	n.cmd, n.ended = exec.Command(n.binary, args...), make(chan struct{})
	n.cmd.Stderr = &n.log
	// An interrupt in the terminal is for the benchmark, which ends the node itself.
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	go func(cmd *exec.Cmd, ended chan struct{}) { _ = cmd.Wait(); close(ended) }(n.cmd, n.ended)
	for deadline := time.Now().Add(readyMax); time.Now().Before(deadline) && n.running() && ctx.Err() == nil; time.Sleep(readyPause) {
		if _, err := n.get("/readyz"); err == nil {
			return []string{n.addr}, nil
		}
	}
	_ = n.Close()
	return nil, fmt.Errorf("%w: the node is not ready after %v:\n%s", ErrUnreachable, readyMax, n.log.String())
}

func (n *Node) running() bool {
	if n.cmd == nil {
		return false
	}
	select {
	case <-n.ended:
		return false
	default:
		return true
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// Process is the node's.
func (n *Node) Process() int {
	if !n.running() {
		return 0
	}
	return n.cmd.Process.Pid
}

// Usage reads /proc, and the fsyncs from the node's own counters.
func (n *Node) Usage() (measure.Usage, error) {
	if !n.running() {
		return measure.Usage{Fsyncs: -1}, errors.New("the node has ended:\n" + n.log.String())
	}
	u, err := measure.ProcessUsage(n.cmd.Process.Pid)
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

func (n *Node) get(path string) (string, error) {
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get("http://" + n.admin + path)
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

// DiskBytes adds up the topic's log files.
func (n *Node) DiskBytes(topic string) (sum int64) {
	files, _ := filepath.Glob(filepath.Join(n.dir, "data", topic+"-*", "*.log"))
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// Pause stops the process for so long, as a machine that stalls would.
func (n *Node) Pause(d time.Duration) error {
	if err := n.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	time.Sleep(d)
	return n.cmd.Process.Signal(syscall.SIGCONT)
}

// Close ends the process; its directory is the caller's.
func (n *Node) Close() error {
	if !n.running() {
		return nil
	}
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-n.ended:
	case <-time.After(stopMax):
		_ = n.cmd.Process.Kill()
		<-n.ended
	}
	return nil
}
