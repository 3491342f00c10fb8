package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// node is one process of the binary under test, on a directory of its own.
type node struct {
	cmd     *exec.Cmd
	dir     string
	address string
	admin   string
	set     []string
	log     bytes.Buffer
}

// newNode makes a directory below dir for a node that is not started yet.
func newNode(dir string, set ...string) (*node, error) {
	data, err := os.MkdirTemp(dir, "figures-")
	return &node{dir: data, address: freeAddress(), admin: freeAddress(), set: set}, err
}

func freeAddress() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0" // the node says what is wrong
	}
	defer l.Close()
	return l.Addr().String()
}

// exec starts the process and does not wait for it.
func (n *node) exec(binary string) error {
	args := []string{"serve", "--data", filepath.Join(n.dir, "data"), "--set", "listeners=PLAINTEXT://" + n.address, "--set", "admin.listener=" + n.admin}
	for _, s := range n.set {
		args = append(args, "--set", s)
	}
	n.cmd = exec.Command(binary, args...)
	n.cmd.Stderr, n.cmd.Dir = &n.log, n.dir
	return n.cmd.Start()
}

// start starts the process and waits until it is ready.
func (n *node) start(binary string) error {
	if err := n.exec(binary); err != nil {
		return err
	}
	for range 2000 {
		if resp, err := http.Get("http://" + n.admin + "/readyz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("the node is not ready after 10 s")
}

// stop ends the process; the directory stays.
func (n *node) stop() error {
	if n.cmd == nil {
		return nil
	}
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	err := n.cmd.Wait()
	n.cmd = nil
	return err
}

// remove ends the process and takes its data away.
func (n *node) remove() {
	if n.cmd != nil {
		_ = n.cmd.Process.Kill()
		_ = n.cmd.Wait()
	}
	_ = os.RemoveAll(n.dir)
}

// usage is what a node has used since it was started.
type usage struct {
	cpu     time.Duration
	mallocs uint64
	alloced uint64
	fsyncs  int64
}

func (u usage) sub(v usage) usage {
	return usage{cpu: u.cpu - v.cpu, mallocs: u.mallocs - v.mallocs, alloced: u.alloced - v.alloced, fsyncs: u.fsyncs - v.fsyncs}
}

// usage reads CPU time from the kernel, and allocations and fsyncs from the node itself.
func (n *node) usage() (usage, error) {
	var u usage
	heap, err := n.get("/debug/pprof/heap?debug=1")
	if err != nil {
		return u, err
	}
	if u.mallocs, err = memStat(heap, "Mallocs"); err != nil {
		return u, err
	}
	if u.alloced, err = memStat(heap, "TotalAlloc"); err != nil {
		return u, err
	}
	if stats, err := n.get("/debug/stats"); err == nil {
		_, after, _ := strings.Cut(stats, `"Fsyncs":`)
		_, _ = fmt.Sscan(after, &u.fsyncs)
	}
	u.cpu, err = n.cpu()
	return u, err
}

// cpu is the user and system time of the process, in ticks of 10 ms.
func (n *node) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/PID/stat holds %q", text)
	}
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("/proc/PID/stat holds %q", text)
	}
	return time.Duration(user+system) * 10 * time.Millisecond, nil
}

// resident is the resident set in MB.
func (n *node) resident() float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	var kb float64
	_, _ = fmt.Sscan(after, &kb)
	return kb * 1024 / 1e6
}

func (n *node) get(path string) (string, error) {
	resp, err := http.Get("http://" + n.admin + path)
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

// memStat finds one number of the runtime's in a heap profile's text.
func memStat(heap, name string) (n uint64, err error) {
	_, after, ok := strings.Cut(heap, "# "+name+" = ")
	if !ok {
		return 0, fmt.Errorf("no %s in the heap profile", name)
	}
	_, err = fmt.Sscan(after, &n)
	return n, err
}
