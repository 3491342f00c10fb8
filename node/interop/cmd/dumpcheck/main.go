// Command dumpcheck lets a node write logs and has Apache Kafka's own DumpLogSegments judge every file: see scripts/dump-check.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	cases := flag.String("kafka", "", "check directories that Apache Kafka wrote: names of cases, separated by commas, or all")
	keep := flag.String("dir", "", "with -kafka: keep the directories below this one")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: dumpcheck [-kafka CASES [-dir DIR]] BINARY CLASSPATH-FILE")
		os.Exit(2)
	}
	classpath, err := os.ReadFile(flag.Arg(1))
	tool := &tool{classpath: string(bytes.TrimSpace(classpath))}
	switch {
	case err != nil:
	case *cases != "":
		err = checkKafka(flag.Arg(0), tool, *keep, *cases)
	default:
		err = check(flag.Arg(0), tool)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "dumpcheck:", err)
		os.Exit(1)
	}
}

// check has a node write a directory and the tool judge it.
func check(binary string, tool *tool) error {
	dir, err := os.MkdirTemp("", "dumpcheck")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	data := filepath.Join(dir, "data")
	w, err := write(binary, data)
	if err != nil {
		return err
	}
	sum, err := tool.judge(data, w)
	if err != nil {
		return err
	}
	fmt.Printf("%d records in %d batches and %d .log files, %d metadata records and %d snapshots of them, %d other files: as produced, no complaint\n",
		sum.records, sum.batches, sum.logs, sum.metadata, sum.checkpoints, sum.others)
	if out, err := exec.Command(binary, "dump", "--verify", data).CombinedOutput(); err != nil {
		return fmt.Errorf("odradek dump --verify: %w\n%s", err, tail(string(out)))
	}
	return tool.bites(binary, data, dir, w)
}

// node is one process of the binary under test.
type node struct {
	binary  string
	data    string
	address string
	admin   string
	set     []string // further settings, key=value
	cmd     *exec.Cmd
	exited  chan error
	log     bytes.Buffer
}

// start runs the node with small segments and waits until it is ready.
func (n *node) start() error {
	n.log.Reset()
	args := []string{"serve", "--data", n.data, "--set", "listeners=PLAINTEXT://" + n.address, "--set", "admin.listener=" + n.admin,
		"--set", fmt.Sprintf("log.segment.bytes=%d", segmentBytes), "--set", "metadata.log.max.record.bytes.between.snapshots=2000"}
	for _, s := range n.set {
		args = append(args, "--set", s)
	}
	n.cmd = exec.Command(n.binary, args...)
	n.cmd.Stderr, n.cmd.Stdout, n.cmd.Dir = &n.log, &n.log, filepath.Dir(n.data)
	if err := n.cmd.Start(); err != nil {
		return err
	}
	cmd, exited := n.cmd, make(chan error, 1)
	n.exited = exited
	go func() { exited <- cmd.Wait() }()
	for range 3000 {
		if resp, err := http.Get("http://" + n.admin + "/readyz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-exited:
			n.cmd = nil
			return fmt.Errorf("the node ended: %v\n%s", err, n.log.String())
		case <-time.After(5 * time.Millisecond):
		}
	}
	_ = n.end(syscall.SIGKILL)
	return fmt.Errorf("the node is not ready after 15 s\n%s", n.log.String())
}

// end sends the process a signal and waits for it. SIGTERM must end it cleanly.
func (n *node) end(s syscall.Signal) error {
	if n.cmd == nil {
		return nil
	}
	_ = n.cmd.Process.Signal(s)
	err := <-n.exited
	n.cmd = nil
	if err != nil && s != syscall.SIGKILL {
		return fmt.Errorf("the node ended with %w\n%s", err, n.log.String())
	}
	return nil
}
