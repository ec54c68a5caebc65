/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process of a container for programs that do not wait for children they never had: runs its arguments as a child in a process
 * group of its own (in front, where there is a terminal), passes on to it what signals come, waits for whatever else ends, and ends as it does.
 * Static, and without anything of whittle: it runs in any root.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void be_command(char **argv, const sigset_t *before)
{
	int status;

	/* Both sides do it: neither knows who comes first. */
	setpgid(0, 0);
	tcsetpgrp(0, getpgrp()); /* SIGTTOU is blocked */
	sigprocmask(SIG_SETMASK, before, NULL);
	execvp(argv[0], argv);
	status = errno == ENOENT || errno == ENOTDIR ? 127 : 126;
	fprintf(stderr, "init: exec \"%s\": %s\n", argv[0], strerror(errno));
	_exit(status);
}

/* -1: the command still runs. */
static int reap(pid_t command)
{
	int status, found = -1;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == command)
			found = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return found;
}

int main(int argc, char **argv)
{
	const int own[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS};
	sigset_t all, before;
	pid_t command;

	if (argc > 1 && strcmp(argv[1], "--") == 0) {
		argv++;
		argc--;
	}
	if (argc < 2)
		return 125;
	sigfillset(&all);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&all, own[i]);
	sigprocmask(SIG_SETMASK, &all, &before);
	command = fork();
	if (command < 0)
		return 125;
	if (command == 0)
		be_command(argv + 1, &before);
	setpgid(command, command);
	tcsetpgrp(0, command);
	for (;;) {
		siginfo_t info;
		int sig = sigwaitinfo(&all, &info), status;

		if (sig == SIGCHLD) {
			status = reap(command);
			if (status >= 0)
				return status;
		} else if (sig > 0 && sig != SIGTTIN && sig != SIGTTOU) {
			kill(command, sig);
		}
	}
}
