/* A virus scanner, as far as files notice one: scanner FOLDER MILLISECONDS
 *
 * Opens every file below the folder, again and again, each so that no one else can open, rename or remove it meanwhile, and
 * holds it for so long. It ends with its stdin, and says how many it has held. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

static DWORD hold;
static long held;
static volatile BOOL ends;

static DWORD WINAPI wait(void *unused) {
  (void)unused;
  while (getchar() != EOF) {}
  ends = TRUE;
  return 0;
}

static void scan(const char *folder) {
  char path[1024];
  WIN32_FIND_DATAA found;
  HANDLE listing, file;
  snprintf(path, sizeof path, "%s\\*", folder);
  listing = FindFirstFileA(path, &found);
  if (listing == INVALID_HANDLE_VALUE) return;
  do {
    if (ends || !strcmp(found.cFileName, ".") || !strcmp(found.cFileName, "..")) continue;
    snprintf(path, sizeof path, "%s\\%s", folder, found.cFileName);
    if (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) {
      scan(path);
      continue;
    }
    /* What is open elsewhere cannot be held, as it is with a scanner. */
    file = CreateFileA(path, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
    if (file == INVALID_HANDLE_VALUE) continue;
    held++;
    Sleep(hold);
    CloseHandle(file);
  } while (FindNextFileA(listing, &found));
  FindClose(listing);
}

int main(int count, char **words) {
  if (count != 3) return 64;
  hold = strtoul(words[2], NULL, 10);
  CreateThread(NULL, 0, wait, NULL, 0, NULL);
  while (!ends) {
    scan(words[1]);
    Sleep(5);
  }
  printf("held %ld\n", held);
  return 0;
}
