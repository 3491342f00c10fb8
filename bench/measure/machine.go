package measure

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Machine is what the machine could do at the time of a run, measured in a quarter of a second before it.
type Machine struct {
	FsyncP50  time.Duration `json:"fdatasync_p50_ns"` // append 4 KiB and fdatasync
	FsyncP99  time.Duration `json:"fdatasync_p99_ns"`
	WriteMBs  float64       `json:"sequential_write_mb_s"` // 32 MiB with one fdatasync at the end
	LoopMBs   float64       `json:"loopback_mb_s"`         // 64 MiB through a TCP connection
	MemoryGBs float64       `json:"memory_copy_gb_s"`      // 32 MiB pieces
}

// The sizes of a calibration: small enough to stand before each run.
const (
	syncs      = 120
	writeBytes = 32 << 20
	loopBytes  = 64 << 20
	copyBytes  = 32 << 20
	copies     = 4
)

// Calibrate measures the machine, with files in dir.
func Calibrate(dir string) (Machine, error) {
	var m Machine
	var errs [3]error
	m.FsyncP50, m.FsyncP99, errs[0] = syncTimes(dir)
	m.WriteMBs, errs[1] = sequential(dir)
	m.LoopMBs, errs[2] = loopback()
	m.MemoryGBs = memoryCopy()
	return m, errors.Join(errs[:]...)
}

func scratch(dir string) (*os.File, func(), error) {
	f, err := os.CreateTemp(dir, "calibrate-")
	if err != nil {
		return nil, nil, err
	}
	return f, func() { f.Close(); os.Remove(f.Name()) }, nil
}

func syncTimes(dir string) (p50, p99 time.Duration, err error) {
	f, end, err := scratch(dir)
	if err != nil {
		return 0, 0, err
	}
	defer end()
	page := make([]byte, 4096)
	var took []time.Duration
	for i := range syncs + syncs/10 {
		begun := time.Now()
		if _, err := f.Write(page); err != nil {
			return 0, 0, err
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return 0, 0, err
		}
		if i >= syncs/10 { // the first tenth warms up
			took = append(took, time.Since(begun))
		}
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*99/100], nil
}

func sequential(dir string) (mbs float64, err error) {
	f, end, err := scratch(dir)
	if err != nil {
		return 0, err
	}
	defer end()
	piece := make([]byte, 1<<20)
	begun := time.Now()
	for range writeBytes / len(piece) {
		if _, err := f.Write(piece); err != nil {
			return 0, err
		}
	}
	if err := unix.Fdatasync(int(f.Fd())); err != nil {
		return 0, err
	}
	return writeBytes / 1e6 / time.Since(begun).Seconds(), nil
}

func loopback() (mbs float64, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return 0, err
	}
	defer out.Close()
	in, err := l.Accept()
	if err != nil {
		return 0, err
	}
	defer in.Close()
	begun := time.Now()
	go func() {
		piece := make([]byte, 256<<10)
		for range loopBytes / len(piece) {
			if _, err := out.Write(piece); err != nil {
				return
			}
		}
		_ = out.(*net.TCPConn).CloseWrite()
	}()
	buf := make([]byte, 256<<10)
	for {
		if _, err := in.Read(buf); err == io.EOF {
			return loopBytes / 1e6 / time.Since(begun).Seconds(), nil
		} else if err != nil {
			return 0, err
		}
	}
}

func memoryCopy() (gbs float64) {
	from, to := make([]byte, copyBytes), make([]byte, copyBytes)
	for i := range from {
		from[i] = byte(i)
	}
	copy(to, from) // the memory is there from now on
	begun := time.Now()
	for range copies {
		copy(to, from)
	}
	return copyBytes * copies / 1e9 / time.Since(begun).Seconds()
}

// TouchPages writes and removes a file of so many bytes. Where a virtual machine's memory has not been used yet, the kernel pays up to 2.5 CPU-seconds per
// GB for its first use, in whichever process comes along: this one shall.
func TouchPages(dir string, size int) error {
	f, end, err := scratch(dir)
	if err != nil {
		return err
	}
	defer end()
	piece := make([]byte, 1<<20)
	for range size / len(piece) {
		if _, err := f.Write(piece); err != nil {
			return err
		}
	}
	return nil
}
