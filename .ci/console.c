/* A console of its own for a program: console PROGRAM ARGUMENTS...
 *
 * What the program writes to it goes to stdout, and each line of stdin is something that a person does:
 *   keys TEXT      types the text (`^C` is the key Ctrl-C, `^M` Enter)
 *   ctrl-c         what the key does, without the key (Wine's console ends at that key)
 *   ctrl-break, closed, logoff, shutdown
 *                  what the system does in the program then, begun by us: it runs the program's handlers, and after the
 *                  last three it ends the program five seconds later (Wine's consoles send none of them)
 *   close          closes the window
 *   size W H       makes the window another size
 * The end of the program ends this too, with its exit code.
 *
 * It takes itself in between: under Wine a program whose streams are to be the console gets none, so that the one in
 * between opens them and passes them on. */
#define _WIN32_WINNT 0x0A00
#define NTDDI_VERSION 0x0A000006
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#ifndef PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE
#define PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE 0x00020016
#endif

typedef HRESULT(WINAPI *Create)(COORD, HANDLE, HANDLE, DWORD, void **);
typedef HRESULT(WINAPI *Resize)(void *, COORD);
typedef void(WINAPI *Close)(void *);

static HANDLE from_console, to_console, program;
static void *console;

/* What a person or the system does to a program in a console. */
static const struct {
  const char *name;
  DWORD event;
} events[] = {
    {"ctrl-c", CTRL_C_EVENT},
    {"ctrl-break", CTRL_BREAK_EVENT},
    {"closed", CTRL_CLOSE_EVENT},
    {"logoff", CTRL_LOGOFF_EVENT},
    {"shutdown", CTRL_SHUTDOWN_EVENT},
};
#define EVENTS (sizeof events / sizeof events[0])
static HANDLE asked[EVENTS];

/* How long a program has after its window was closed. */
#define LEFT_TO_IT 5000

static void failed(const char *what) {
  fprintf(stderr, "console: %s: error %lu\n", what, GetLastError());
  exit(99);
}

/* The command line without its first word. */
static wchar_t *rest(wchar_t *line) {
  if (*line == L'"') {
    line = wcschr(line + 1, L'"');
    line = line ? line + 1 : L"";
  } else {
    while (*line && *line != L' ') line++;
  }
  while (*line == L' ') line++;
  return line;
}

static DWORD WINAPI copy(void *unused) {
  char bytes[4096];
  DWORD count;
  while (ReadFile(from_console, bytes, sizeof bytes, &count, NULL) && count) {
    fwrite(bytes, 1, count, stdout);
    fflush(stdout);
  }
  return 0;
}

static DWORD WINAPI wait(void *unused) {
  DWORD code = 98;
  WaitForSingleObject(program, INFINITE);
  GetExitCodeProcess(program, &code);
  Sleep(300); /* What was written last is on its way. */
  fprintf(stderr, "console: ended with %lu\n", code);
  fflush(stdout);
  _exit((int)code);
}

static void type(const char *text) {
  char bytes[1024];
  DWORD count = 0, written;
  for (; *text && count < sizeof bytes; text++) {
    if (*text == '^' && text[1]) bytes[count++] = *++text & 0x1f;
    else bytes[count++] = *text;
  }
  WriteFile(to_console, bytes, count, &written, NULL);
}

/* Events that both of us know. */
static void ask(DWORD of) {
  char name[64];
  for (size_t at = 0; at < EVENTS; at++) {
    snprintf(name, sizeof name, "orchestrate-%s-%lu", events[at].name, of);
    asked[at] = CreateEventA(NULL, FALSE, FALSE, name);
  }
}

/* Runs the program's handlers as the system does: in a thread of it that begins where the system has it begin. */
static void tell(DWORD event) {
  FARPROC begin = GetProcAddress(GetModuleHandleW(L"kernelbase.dll"), "CtrlRoutine");
  if (!begin) failed("this system begins its handlers elsewhere");
  if (!CreateRemoteThread(program, NULL, 0, (LPTHREAD_START_ROUTINE)(void *)begin, (void *)(DWORD_PTR)event, 0, NULL)) failed("tell");
  if (event == CTRL_BREAK_EVENT || WaitForSingleObject(program, LEFT_TO_IT) == WAIT_OBJECT_0) return;
  TerminateProcess(program, STATUS_CONTROL_C_EXIT);
}

static DWORD WINAPI press(void *unused) {
  DWORD at;
  while ((at = WaitForMultipleObjects(EVENTS, asked, FALSE, INFINITE)) < EVENTS) {
    if (events[at].event != CTRL_C_EVENT) tell(events[at].event);
    else if (!GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0)) failed("press");
  }
  return 0;
}

/* The keys are for the program. The system ends both of us some time after the window has closed. */
static BOOL WINAPI passed_over(DWORD event) {
  if (event == CTRL_CLOSE_EVENT) Sleep(INFINITE);
  return TRUE;
}

/* Inside the console: opens its streams and starts the program with them. */
static int inside(DWORD parent) {
  SECURITY_ATTRIBUTES handed_down = {sizeof handed_down, NULL, TRUE};
  STARTUPINFOW start = {sizeof start};
  PROCESS_INFORMATION made;
  DWORD code;
  SetConsoleCtrlHandler(passed_over, TRUE);
  ask(parent);
  start.dwFlags = STARTF_USESTDHANDLES;
  start.hStdInput = CreateFileW(L"CONIN$", GENERIC_READ | GENERIC_WRITE, 3, &handed_down, OPEN_EXISTING, 0, NULL);
  start.hStdOutput = CreateFileW(L"CONOUT$", GENERIC_READ | GENERIC_WRITE, 3, &handed_down, OPEN_EXISTING, 0, NULL);
  start.hStdError = start.hStdOutput;
  if (!CreateProcessW(NULL, rest(rest(rest(GetCommandLineW()))), NULL, NULL, TRUE, 0, NULL, NULL, &start, &made)) failed("start");
  program = made.hProcess;
  CreateThread(NULL, 0, press, NULL, 0, NULL);
  WaitForSingleObject(made.hProcess, INFINITE);
  GetExitCodeProcess(made.hProcess, &code);
  return (int)code;
}

int main(int count, char **words) {
  HANDLE in, out;
  SIZE_T length = 0;
  STARTUPINFOEXW start = {{sizeof start}};
  PROCESS_INFORMATION made;
  wchar_t *line, own[MAX_PATH];
  char act[1024];
  HMODULE kernel = GetModuleHandleW(L"kernel32.dll");
  Create create = (Create)(void *)GetProcAddress(kernel, "CreatePseudoConsole");
  Resize resize = (Resize)(void *)GetProcAddress(kernel, "ResizePseudoConsole");
  Close close = (Close)(void *)GetProcAddress(kernel, "ClosePseudoConsole");
  COORD size = {100, 40};

  if (count > 1 && !strcmp(words[1], "--inside")) return inside(strtoul(words[2], NULL, 10));
  if (!create || !close || !resize) failed("this system has no consoles of this kind");
  if (!CreatePipe(&in, &to_console, NULL, 0) || !CreatePipe(&from_console, &out, NULL, 0)) failed("pipes");
  if (create(size, in, out, 0, &console)) failed("create");
  InitializeProcThreadAttributeList(NULL, 1, 0, &length);
  start.lpAttributeList = malloc(length);
  InitializeProcThreadAttributeList(start.lpAttributeList, 1, 0, &length);
  UpdateProcThreadAttribute(start.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE, console, sizeof console, NULL, NULL);
  /* Our own streams are not to be those of the program. */
  start.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
  ask(GetCurrentProcessId());
  GetModuleFileNameW(NULL, own, MAX_PATH);
  line = malloc(sizeof(wchar_t) * (wcslen(GetCommandLineW()) + wcslen(own) + 32));
  swprintf(line, 32768, L"\"%ls\" --inside %lu %ls", own, GetCurrentProcessId(), rest(GetCommandLineW()));
  if (!CreateProcessW(NULL, line, NULL, NULL, FALSE, EXTENDED_STARTUPINFO_PRESENT, NULL, NULL, &start.StartupInfo, &made)) failed("start");
  program = made.hProcess;
  CreateThread(NULL, 0, copy, NULL, 0, NULL);
  CreateThread(NULL, 0, wait, NULL, 0, NULL);
  while (fgets(act, sizeof act, stdin)) {
    int width, height;
    size_t at = 0;
    act[strcspn(act, "\r\n")] = 0;
    while (at < EVENTS && strcmp(act, events[at].name)) at++;
    if (!strncmp(act, "keys ", 5)) type(act + 5);
    else if (at < EVENTS) SetEvent(asked[at]);
    else if (!strcmp(act, "close")) close(console);
    else if (sscanf(act, "size %d %d", &width, &height) == 2) resize(console, (COORD){(SHORT)width, (SHORT)height});
    else failed("no such act");
  }
  Sleep(INFINITE);
}
