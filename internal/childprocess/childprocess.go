// Package childprocess runs programs that end with whoever started them, even when that one is killed.
package childprocess

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// Process is a program under way or ended.
type Process struct {
	command *exec.Cmd
	ended   chan struct{}
	err     error // of its end; read once ended is closed
}

// Start runs a command in a process group of its own. When this process dies in whatever way, the kernel sends the
// command atDeath; systems other than Linux do not. The command keeps the credential it has.
func Start(command *exec.Cmd, atDeath syscall.Signal) (*Process, error) {
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Setpgid = true
	dieWithParent(command.SysProcAttr, atDeath)
	p := &Process{command: command, ended: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	return p, <-started
}

// run keeps a thread for as long as the command lives: the signal at the parent's death is tied to the thread that
// started the child.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.ended)
	err := p.command.Start()
	started <- err
	if err == nil {
		p.err = p.command.Wait()
	}
}

// PID is the process id.
func (p *Process) PID() int { return p.command.Process.Pid }

// Ended is closed when the process is gone.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Err tells how a process that has ended did so: nil for exit status 0.
func (p *Process) Err() error { return p.err }

// Send sends a signal. To a process that has ended it does nothing.
func (p *Process) Send(signal syscall.Signal) error {
	if err := p.command.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// End sends a signal that ends the process and waits until it is gone.
func (p *Process) End(signal syscall.Signal) error {
	if err := p.Send(signal); err != nil {
		return err
	}
	<-p.ended
	return nil
}

// Stop asks the process to end with SIGTERM and waits. The error is nil only for exit status 0 before ctx is over; a
// process that takes longer is killed.
func (p *Process) Stop(ctx context.Context) error {
	if err := p.Send(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.ended:
		return p.err
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("%s did not end after SIGTERM: %w", p.command.Path, ctx.Err()), p.End(syscall.SIGKILL))
	}
}
