package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"odradek/bench/cell"
	"odradek/bench/load"
	"odradek/bench/measure"
	"odradek/bench/target"
)

func calibrateCommand() *cobra.Command {
	dir := ""
	cmd := &cobra.Command{
		Use:   "calibrate",
		Short: "Measure the machine, and the generator against a target that only answers",
		Args:  oneOf(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return calibrate(cmd.Context(), dir, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "directory on the disk to measure")
	return cmd
}

// fakeCommand is the null target in a process of its own. It ends with its standard input.
func fakeCommand() *cobra.Command {
	return &cobra.Command{Use: "fake", Hidden: true, Args: oneOf(cobra.NoArgs), RunE: func(cmd *cobra.Command, _ []string) error {
		f, err := target.NewFake(target.FakeOptions{Echo: true})
		if err != nil {
			return err
		}
		defer f.Close()
		fmt.Fprintln(cmd.OutOrStdout(), f.Address())
		_, err = io.Copy(io.Discard, cmd.InOrStdin())
		return err
	}}
}

func calibrate(ctx context.Context, dir string, out io.Writer) error {
	m, err := measure.Calibrate(dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "fdatasync of 4 KiB\tp50 %v, p99 %v\nsequential write\t%.0f MB/s\nloopback\t%.0f MB/s\nmemory copy\t%.1f GB/s\n",
		m.FsyncP50.Round(time.Microsecond), m.FsyncP99.Round(time.Microsecond), m.WriteMBs, m.LoopMBs, m.MemoryGBs)
	address, end, err := startFake(ctx)
	if err != nil {
		return err
	}
	defer end()
	c := cell.Default()
	c.Batch, c.Payload = 64<<10, "random"
	r, err := null(address, c, false)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "generator, prepared batches\t%.2f million records/s of 100 bytes from one thread\n", float64(r.Records)/r.Seconds()/1e6)
	c.Mode = cell.Client
	if r, err = null(address, c, false); err != nil {
		return err
	}
	fmt.Fprintf(out, "generator, records gathered\t%.2f million records/s of 100 bytes from one thread\n", float64(r.Records)/r.Seconds()/1e6)
	c = cell.Default()
	for _, spin := range []bool{false, true} {
		for _, rate := range []float64{2_000, 10_000} {
			c.Batch, c.Rate, c.Producers = 0, rate, 1
			if err := added(address, c, spin, out); err != nil {
				return err
			}
		}
	}
	return nil
}

// tries is how often what the generator adds is measured: on a machine that others use too, the least says what is the generator's.
const tries = 5

// added prints how late requests are sent, and how late answers are taken in after the target has stamped them (its write of the answer is in that).
func added(address string, c cell.Cell, spin bool, out io.Writer) error {
	var late, back, waited []time.Duration
	for range tries {
		r, err := null(address, c, spin)
		if err != nil {
			return err
		}
		late, back = append(late, at(r.Late, 99)), append(back, at(r.Back, 99))
		waited = append(waited, time.Duration(r.Waited*1000/max(r.Ran, 1)))
	}
	name := fmt.Sprintf("generator at %.0f requests/s", c.Rate)
	if spin {
		name += ", --spin"
	}
	slices.Sort(late)
	slices.Sort(back)
	slices.Sort(waited)
	_, err := fmt.Fprintf(out, "%s\tadds at p99 before sending %v, after the answer %v (least of %d; medians %v, %v; waited for a processor %.1f %% of the time)\n", name,
		late[0], back[0], tries, late[tries/2], back[tries/2], float64(waited[tries/2])/10)
	return err
}

func at(h *measure.Histogram, p float64) time.Duration {
	ns, _ := h.Percentile(p)
	return time.Duration(ns).Round(100 * time.Nanosecond)
}

// null runs a cell against a target that only answers.
func null(address string, c cell.Cell, spin bool) (*load.Result, error) {
	cfg := load.Config{Cell: c, Topic: "null", Warmup: 300 * time.Millisecond, Length: 1500 * time.Millisecond, Workers: 1, Seed: 1, Echoed: true, Spin: spin}
	for range c.Partitions {
		cfg.Leaders = append(cfg.Leaders, address)
	}
	l, err := load.New(cfg)
	if err != nil {
		return nil, err
	}
	return l.Run(measure.Now() + int64(5*time.Millisecond))
}

// startFake starts this program again as the null target, so that its CPU time is not the generator's.
func startFake(ctx context.Context) (address string, end func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, self, "fake")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	end = func() { in.Close(); _ = cmd.Wait() }
	if address, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		end()
		return "", nil, fmt.Errorf("the null target: %w", err)
	}
	return strings.TrimSpace(address), end, nil
}
