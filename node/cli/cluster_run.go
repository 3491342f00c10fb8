package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	runtimego "runtime"
	"syscall"
	"time"
)

const (
	// killAfter is how long the nodes may take to stop before they are killed: longer than each gives itself.
	killAfter = stopTimeout + 10*time.Second
	// readyEvery is how often a node that starts is asked whether it serves.
	readyEvery = 20 * time.Millisecond
	// tailBytes is how much of a dead node's log is shown.
	tailBytes = 2000
)

// clusterRun is a local cluster that runs.
type clusterRun struct {
	plan    *plan
	data    string
	set     []string
	command []string // what starts a node, without its flags
	out     io.Writer
	log     io.Writer
	nodes   []*clusterNode
	exits   chan *clusterNode
}

// clusterNode is one process.
type clusterNode struct {
	planNode
	cmd *exec.Cmd
	log string // its output's file
	err error  // how it ended
}

// runCluster starts all nodes, says where they serve, and stops them when ctx ends or a signal comes. It returns when none is left.
func runCluster(ctx context.Context, c *clusterRun) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The kernel ends a node when the thread that started it ends (Pdeathsig): it must be one that lasts as long as this process runs the cluster.
	runtimego.LockOSThread()
	defer runtimego.UnlockOSThread()
	c.exits = make(chan *clusterNode, len(c.plan.Nodes))
	running := 0
	var failed error
	for _, n := range c.plan.Nodes {
		if failed = c.start(n); failed != nil {
			break
		}
		running++
	}
	ready := make(chan error, 1)
	asking, give := context.WithCancel(ctx)
	defer give()
	if failed == nil {
		go func() { ready <- c.awaitReady(asking) }()
	} else {
		c.signal(syscall.SIGTERM)
	}
	serves, stopping := false, failed != nil
	end := ctx.Done()
	var late <-chan time.Time
	if stopping {
		late = time.After(killAfter)
	}
	for running > 0 {
		select {
		case err := <-ready:
			if err == nil {
				serves = true
				fmt.Fprintln(c.out, "bootstrap "+c.plan.bootstrap())
			}
		case <-end:
			end, stopping, late = nil, true, time.After(killAfter)
			stop() // a second signal ends this process at once, and the kernel the nodes
			c.signal(syscall.SIGTERM)
		case <-late:
			fmt.Fprintf(c.log, "nodes are still there after %v: killed\n", killAfter)
			failed = errors.Join(failed, errors.New("not every node stopped in order"))
			c.signal(syscall.SIGKILL)
		case n := <-c.exits:
			running--
			if stopping && n.err == nil {
				continue
			}
			fmt.Fprintf(c.log, "node %d has ended: %s; its log is %s, which ends with\n%s", n.ID, ending(n.err), n.log, tail(n.log))
			failed = errors.Join(failed, fmt.Errorf("node %d has ended: %s", n.ID, ending(n.err)))
			if !serves && !stopping {
				give()
				end, stopping, late = nil, true, time.After(killAfter)
				c.signal(syscall.SIGTERM)
			}
		}
	}
	return failed
}

// start starts a node. It is in a process group of its own: a Ctrl-C reaches this process, which stops them all.
func (c *clusterRun) start(n planNode) error {
	node := &clusterNode{planNode: n, log: filepath.Join(c.data, fmt.Sprintf("n%d.log", n.ID))}
	file, err := os.OpenFile(node.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	args := append(append([]string(nil), c.command[1:]...), c.plan.arguments(n, c.data, c.set)...)
	node.cmd = exec.Command(c.command[0], args...)
	node.cmd.Stdout, node.cmd.Stderr = file, file
	node.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := node.cmd.Start(); err != nil {
		return fmt.Errorf("node %d: %w", n.ID, err)
	}
	fmt.Fprintf(c.log, "node %d: process %d, clients 127.0.0.1:%d, admin http://127.0.0.1:%d, log %s\n", n.ID, node.cmd.Process.Pid, n.Broker, n.Admin, node.log)
	c.nodes = append(c.nodes, node)
	go func() {
		node.err = node.cmd.Wait()
		c.exits <- node
	}()
	return nil
}

// signal sends a signal to the nodes that are there.
func (c *clusterRun) signal(s syscall.Signal) {
	for _, n := range c.nodes {
		_ = n.cmd.Process.Signal(s) // one that has ended is told nothing
	}
}

// awaitReady returns when every node serves.
func (c *clusterRun) awaitReady(ctx context.Context) error {
	client := http.Client{Timeout: time.Second}
	for _, n := range c.plan.Nodes {
		for !nodeReady(ctx, &client, n.Admin) {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(readyEvery):
			}
		}
	}
	return nil
}

func nodeReady(ctx context.Context, client *http.Client, port int) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/readyz", port), nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func ending(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// tail returns the last lines of a file.
func tail(path string) []byte {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	if len(text) > tailBytes {
		text = text[len(text)-tailBytes:]
		text = text[bytes.IndexByte(text, '\n')+1:]
	}
	return text
}
